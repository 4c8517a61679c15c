//! Tables: for the terminal, as Markdown, as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// The results of a case.
pub struct Table {
    pub name: &'static str,
    pub what: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

/// A column of numbers.
#[derive(Clone, Copy)]
pub struct Column {
    pub head: &'static str,
    pub digits: usize,
}

pub const fn column(head: &'static str, digits: usize) -> Column {
    Column { head, digits }
}

pub struct Row {
    pub server: String,
    /// A number for each column, or the reason why there are none.
    pub cells: Result<Vec<f64>, String>,
}

const NOISE: &str = "Something else ran on the same core, as *held up* shows: not for citing.";

/// The share of time, in per cent, for which a process may wait for its core before the core counts
/// as shared.
const NOISY: f64 = 10.0;

impl Table {
    /// Returns the number of rows without figures.
    pub fn failed(&self) -> usize {
        self.rows.iter().filter(|row| row.cells.is_err()).count()
    }

    /// Whether another process ran on a measured core.
    fn is_noisy(&self) -> bool {
        let Some(held_up) = self.columns.iter().position(|column| column.head == HELD_UP) else {
            return false;
        };
        self.rows.iter().any(|row| row.cells.as_ref().is_ok_and(|cells| cells[held_up] > NOISY))
    }

    fn text(&self, column: usize, cell: f64) -> String {
        if cell.is_nan() { "–".into() } else { format!("{cell:.*}", self.columns[column].digits) }
    }

    pub fn print(&self) {
        println!("\n{}: {}", self.name, self.what);
        let widths: Vec<usize> =
            self.columns.iter().map(|column| column.head.chars().count().max(9)).collect();
        print!("{:22}", "");
        for (column, width) in self.columns.iter().zip(&widths) {
            print!("  {:>width$}", column.head);
        }
        println!();
        for row in &self.rows {
            print!("{:22}", row.server);
            match &row.cells {
                Ok(cells) => {
                    for (i, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                        print!("  {:>width$}", self.text(i, *cell));
                    }
                }
                Err(why) => print!("  {why}"),
            }
            println!();
        }
        if self.is_noisy() {
            println!("{NOISE}");
        }
    }

    pub fn markdown(&self) -> String {
        let mut text = format!("### {}: {}\n\n| server |", self.name, self.what);
        for column in &self.columns {
            let _ = write!(text, " {} |", column.head);
        }
        text += "\n|---|";
        text += &"---:|".repeat(self.columns.len());
        text.push('\n');
        for row in &self.rows {
            let _ = write!(text, "| {} |", row.server);
            match &row.cells {
                Ok(cells) => {
                    for (i, cell) in cells.iter().enumerate() {
                        let _ = write!(text, " {} |", self.text(i, *cell));
                    }
                }
                Err(why) => {
                    let _ = write!(
                        text,
                        " {} {}",
                        why.replace('|', "/"),
                        "|".repeat(self.columns.len())
                    );
                }
            }
            text.push('\n');
        }
        if self.is_noisy() {
            let _ = writeln!(text, "\n{NOISE}");
        }
        text
    }

    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let mut object = Map::new();
            object.insert("server".into(), json!(row.server));
            match &row.cells {
                Ok(cells) => {
                    for (column, cell) in self.columns.iter().zip(cells) {
                        object.insert(column.head.into(), json!(cell));
                    }
                }
                Err(why) => {
                    object.insert("failed".into(), json!(why));
                }
            }
            Value::Object(object)
        });
        json!({ "case": self.name, "what": self.what, "servers": rows.collect::<Vec<_>>() })
    }
}

/// The median of the ratios to the first server, round by round.
pub const RATIO: &str = "ratio";

/// The share of time in which the measured process waited for its core.
pub const HELD_UP: &str = "held up %";

/// Describes the machine, and reduced measurements.
pub fn heading(rounds: usize, measured: Duration, quick: bool) -> Value {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default().trim().to_owned();
    let cpuinfo = read("/proc/cpuinfo");
    let cpu = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    // All cores of the machine: this process itself is pinned to one.
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    json!({
        "cpu": cpu.unwrap_or("unknown"),
        "cores": cores,
        "kernel": read("/proc/sys/kernel/osrelease"),
        "congestion control": crate::namespace::congestion_control(),
        "rounds": rounds,
        "seconds": measured.as_secs_f64(),
        "quick": quick,
    })
}
