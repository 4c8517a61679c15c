//! The instructions of each work, counted by valgrind's callgrind: the same in each run, so that a
//! regression shows, however noisy the machine is.
//!
//! The works run in one process under valgrind. Counting is enabled only inside of [`measured`],
//! and each return from it dumps the counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{fs, io};

use crate::works;

pub const UNDER_VALGRIND: &str = "--under-valgrind";
/// The name of [`measured`], as valgrind reads it.
const MEASURED: &str = "codec::instructions::measured";
/// The exit status if no counts could be compared, as test harnesses use it.
const SKIPPED: u8 = 77;

/// Runs the counted code. It does some more work after the call of `run`, so that this is not a
/// tail call and valgrind sees it return.
#[inline(never)]
fn measured(run: &mut dyn FnMut()) {
    run();
    std::hint::black_box(());
}

/// Runs each work, first without counting, so that one-time work is not counted.
pub fn under_valgrind() {
    for work in works::all() {
        let mut run = (work.make)();
        (0..3).for_each(|_| run());
        measured(&mut run);
    }
}

/// Counts, and writes the file.
pub fn write() -> ExitCode {
    let counted = match count() {
        Ok(counted) => counted,
        Err(why) => return fail(&why),
    };
    let mut text = format!("# instructions of each work, by callgrind\n# {}\n", place());
    for work in works::all() {
        let _ = writeln!(text, "{:28} {:>12}", work.name, counted[&work.name]);
    }
    if let Err(error) = fs::write(file(), &text) {
        return fail(&error.to_string());
    }
    print!("{text}");
    ExitCode::SUCCESS
}

/// Counts, and compares the counts with the file.
pub fn check(tolerance: f64) -> ExitCode {
    let Ok(text) = fs::read_to_string(file()) else {
        return fail("there is no bench/instructions.txt; --instructions writes it");
    };
    if !text.lines().any(|line| line == format!("# {}", place())) {
        println!("skipped: bench/instructions.txt was counted elsewhere than on {}", place());
        return ExitCode::from(SKIPPED);
    }
    let counted = match count() {
        Ok(counted) => counted,
        Err(why) if why.contains("valgrind is not here") => {
            println!("skipped: {why}");
            return ExitCode::from(SKIPPED);
        }
        Err(why) => return fail(&why),
    };
    let known = parse(&text);
    let mut slower = 0;
    for (name, now) in &counted {
        let Some(before) = known.get(name) else {
            println!("{name:28} {now:>12}  not in the file");
            slower += 1;
            continue;
        };
        let change = (*now as f64 / *before as f64 - 1.0) * 100.0;
        let verdict = if change > tolerance {
            slower += 1;
            "slower"
        } else if change < -tolerance {
            "faster: note it with --instructions"
        } else {
            ""
        };
        println!("{name:28} {before:>12} {now:>12} {change:>+7.2}%  {verdict}");
    }
    if slower == 0 { ExitCode::SUCCESS } else { fail(&format!("{slower} of the works differ")) }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("codec: {why}");
    ExitCode::FAILURE
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../instructions.txt")
}

/// Returns what the counts depend on besides the code: the compiler, and the kind of machine, for
/// which libraries select code at run time.
fn place() -> String {
    #[cfg(target_arch = "x86_64")]
    let vectors = if std::arch::is_x86_feature_detected!("avx2") { " avx2" } else { "" };
    #[cfg(not(target_arch = "x86_64"))]
    let vectors = "";
    let compiler = Command::new("rustc").arg("--version").output();
    let compiler = compiler.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    let compiler = compiler.unwrap_or_default();
    let release: Vec<_> = compiler.split_whitespace().take(2).collect();
    format!("{}{vectors}, {}", std::env::consts::ARCH, release.join(" "))
}

fn parse(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    };
    lines.filter_map(pair).collect()
}

fn count() -> Result<BTreeMap<String, u64>, String> {
    let folder = std::env::temp_dir().join(format!("fullduplex-codec-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let counted = count_in(&folder);
    let _ = fs::remove_dir_all(&folder);
    counted
}

fn count_in(folder: &Path) -> Result<BTreeMap<String, u64>, String> {
    let exe = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={MEASURED}"))
        .arg(format!("--dump-after={MEASURED}"))
        .arg(format!("--callgrind-out-file={}", folder.join("out").display()))
        .arg(exe)
        .arg(UNDER_VALGRIND)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "valgrind is not here (Debian's package valgrind)".into(),
            _ => format!("valgrind: {error}"),
        })?;
    if !output.status.success() {
        return Err(format!("valgrind: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let mut counted = BTreeMap::new();
    for (i, work) in works::all().iter().enumerate() {
        // The dumps are numbered from one on.
        let dump = fs::read_to_string(folder.join(format!("out.{}", i + 1)));
        let dump = dump.map_err(|error| format!("callgrind's dump {}: {error}", i + 1))?;
        let total = dump.lines().find_map(|line| {
            line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: "))
        });
        let total = total.and_then(|total| total.trim().parse::<u64>().ok());
        let total = total.ok_or_else(|| format!("no count of {}", work.name))?;
        counted.insert(work.name.clone(), total / work.times as u64);
    }
    Ok(counted)
}
