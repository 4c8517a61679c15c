//! The ratios of all cases as a picture (SVG): a row for each case, a mark for each server.

use std::fmt::Write as _;

use serde_json::Value;

use crate::report::{RATIO, Table};

/// The server or client to which all ratios are relative in the picture.
const OURS: [&str; 3] = ["fullduplex", "client-fullduplex", "fullduplex-multiplexed"];

/// The colours of the others, in the order in which they appear.
const COLOURS: [&str; 12] = [
    "#e15759", "#f28e2b", "#59a14f", "#b07aa1", "#edc948", "#76b7b2", "#9c755f", "#ff9da7",
    "#8cd17d", "#d37295", "#a0cbe8", "#79706e",
];

const WIDTH: f64 = 880.0;
/// The space for the names of the cases, at the left, and for the longest number, at the right.
const LEFT: f64 = 300.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 52.0;
const ROW: f64 = 26.0;
const LEGEND_ROW: f64 = 20.0;
const LEGEND_COLUMNS: usize = 4;

/// The ends of the axis, which is logarithmic; a mark beyond them lies on the edge, with its
/// number.
const LEAST: f64 = 0.5;
const GREATEST: f64 = 4.0;
const TICKS: [f64; 7] = [0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0];

/// The ratios of one case: how much more each server costs than ours.
struct Row<'a> {
    name: &'a str,
    what: &'a str,
    ratios: Vec<(&'a str, f64)>,
}

/// Draws the cases that have ratios and ours among their servers; `None` if there are none.
pub fn draw(tables: &[Table]) -> Option<String> {
    draw_rows(tables.iter().filter_map(row).collect())
}

/// Draws the same of figures that `--json` has written: the cases of all files, those of a later
/// one instead of those of an earlier one.
pub fn draw_saved(saved: &[Value]) -> Option<String> {
    let mut cases: Vec<&Value> = Vec::new();
    for case in saved.iter().filter_map(|file| file["cases"].as_array()).flatten() {
        match cases.iter_mut().find(|earlier| earlier["case"] == case["case"]) {
            Some(earlier) => *earlier = case,
            None => cases.push(case),
        }
    }
    draw_rows(cases.into_iter().filter_map(saved_row).collect())
}

fn draw_rows(rows: Vec<Row<'_>>) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flat_map(|row| &row.ratios) {
        if !names.contains(&short(name)) {
            names.push(short(name));
        }
    }
    let bottom = ROW.mul_add(rows.len() as f64, TOP);
    let legend = LEGEND_ROW * names.len().div_ceil(LEGEND_COLUMNS) as f64;
    let height = bottom + 28.0 + legend + 12.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
         aria-label=\"Cost beside fullduplex, by case\">\n{STYLE}"
    );
    axis(&mut svg, bottom);
    for (i, row) in rows.iter().enumerate() {
        case(&mut svg, row, ROW.mul_add(i as f64 + 0.5, TOP), &names);
    }
    for (i, name) in names.iter().enumerate() {
        let (line, column) = (i / LEGEND_COLUMNS, i % LEGEND_COLUMNS);
        let step = (WIDTH - 32.0) / LEGEND_COLUMNS as f64;
        let (x, y) =
            (step.mul_add(column as f64, 20.0), LEGEND_ROW.mul_add(line as f64, bottom + 40.0));
        mark(&mut svg, x, y - 4.0, colour(i), name);
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>", x + 10.0, escaped(name));
    }
    svg += "</svg>\n";
    Some(svg)
}

const STYLE: &str = "<style>
svg { background: #ffffff; color: #1f2328; font: 13px system-ui, sans-serif }
text { fill: currentColor }
.what, .tick { fill: #656d76; font-size: 12px }
.grid { stroke: #d8dee4 }
.ours { stroke: #0969da; stroke-width: 2 }
.ours-text { fill: #0969da; font-weight: 600 }
.mark { stroke: #ffffff; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117; color: #e6edf3 }
.what, .tick { fill: #8d96a0 }
.grid { stroke: #30363d }
.ours { stroke: #4493f8 }
.ours-text { fill: #4493f8 }
.mark { stroke: #0d1117 }
}
</style>
";

fn row(table: &Table) -> Option<Row<'_>> {
    let ratio = table.columns.iter().position(|column| column.head == RATIO)?;
    let cells = table.rows.iter().filter_map(|row| {
        let cells = row.cells.as_ref().ok()?;
        Some((row.server.as_str(), cells[ratio]))
    });
    beside_ours(table.name, &table.what, cells.collect())
}

fn saved_row(case: &Value) -> Option<Row<'_>> {
    let servers = case["servers"].as_array()?.iter();
    let cells = servers.filter_map(|row| Some((row["server"].as_str()?, row[RATIO].as_f64()?)));
    beside_ours(case["case"].as_str()?, case["what"].as_str()?, cells.collect())
}

/// Returns a row of ratios to ours, of those to any other server.
fn beside_ours<'a>(
    name: &'a str,
    what: &'a str,
    mut cells: Vec<(&'a str, f64)>,
) -> Option<Row<'a>> {
    cells.retain(|(server, ratio)| ratio.is_finite() && !server.contains('/'));
    let ours = cells.iter().find(|(server, _)| OURS.contains(server))?.1;
    let others = cells.iter().filter(|(server, _)| !OURS.contains(server));
    let ratios: Vec<_> = others.map(|(server, ratio)| (*server, ratio / ours)).collect();
    (!ratios.is_empty()).then_some(Row { name, what, ratios })
}

/// Returns the name by which a server and a client of one library are known alike.
fn short(name: &str) -> &str {
    let name = name.strip_prefix("client-").unwrap_or(name);
    name.strip_suffix("-cork").unwrap_or(name)
}

fn axis(svg: &mut String, bottom: f64) {
    let _ = writeln!(
        svg,
        "<text class=\"what\" x=\"{LEFT:.1}\" y=\"16\">CPU time for each message beside \
         fullduplex; right of the line costs more</text>"
    );
    for tick in TICKS {
        let x = place(tick);
        let class = if tick == 1.0 { "ours" } else { "grid" };
        let _ = writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\"/>",
            TOP - 6.0
        );
        let (class, text) = match tick {
            1.0 => ("ours-text", "fullduplex".to_owned()),
            _ => ("tick", format!("{tick}×")),
        };
        let _ = writeln!(
            svg,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
            TOP - 12.0
        );
    }
}

fn case(svg: &mut String, row: &Row<'_>, y: f64, names: &[&str]) {
    let what = match row.what.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", row.what[..at].trim_end()),
        None => row.what.to_owned(),
    };
    let _ = writeln!(
        svg,
        "<text x=\"16\" y=\"{:.1}\">{}</text><text class=\"what\" x=\"64\" y=\"{:.1}\">{}</text>",
        y + 4.0,
        escaped(row.name),
        y + 4.0,
        escaped(&what)
    );
    for &(name, ratio) in &row.ratios {
        let index = names.iter().position(|known| *known == short(name)).unwrap_or_default();
        mark(svg, place(ratio), y, colour(index), &format!("{name}: {ratio:.2}×"));
    }
    // How far the worst is beyond the edge.
    let beyond = row.ratios.iter().map(|(_, ratio)| *ratio).filter(|ratio| *ratio > GREATEST);
    if let Some(most) = beyond.max_by(f64::total_cmp) {
        let x = place(GREATEST) + 8.0;
        let _ = writeln!(
            svg,
            "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\">{most:.0}×</text>",
            y + 4.0
        );
    }
}

fn mark(svg: &mut String, x: f64, y: f64, colour: &str, title: &str) {
    let _ = writeln!(
        svg,
        "<circle class=\"mark\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\">\
         <title>{}</title></circle>",
        escaped(title)
    );
}

fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

/// Returns where a ratio lies on the axis.
fn place(ratio: f64) -> f64 {
    let ratio = ratio.clamp(LEAST, GREATEST);
    let share = (ratio / LEAST).ln() / (GREATEST / LEAST).ln();
    share.mul_add(WIDTH - LEFT - RIGHT, LEFT)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{self, column};

    fn table(servers: &[(&str, Result<f64, String>)]) -> Table {
        let rows = servers.iter().map(|(server, ratio)| report::Row {
            server: (*server).to_owned(),
            cells: ratio.clone().map(|ratio| vec![1.0, ratio]),
        });
        let columns = vec![column("µs", 3), column(RATIO, 3)];
        Table { name: "a", what: "64 B <x>".into(), columns, rows: rows.collect() }
    }

    #[test]
    fn charts_are_relative_to_ours_wherever_it_stands() {
        let servers =
            [("floor", Ok(1.0)), ("fullduplex", Ok(2.0)), ("b", Ok(30.0)), ("c", Err("no".into()))];
        let svg = draw(&[table(&servers)]).unwrap();
        assert!(svg.contains("<title>floor: 0.50×</title>"), "{svg}");
        assert!(svg.contains("<title>b: 15.00×</title>"), "{svg}");
        assert!(svg.contains(">15×</text>"), "{svg}");
        assert!(!svg.contains("<title>c"), "{svg}");
        assert!(svg.contains("64 B &lt;x&gt;"), "{svg}");
    }

    #[test]
    fn charts_leave_out_cases_without_ours() {
        assert!(draw(&[table(&[("floor", Ok(1.0)), ("b", Ok(2.0))])]).is_none());
    }
}
