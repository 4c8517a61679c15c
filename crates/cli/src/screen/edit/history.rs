//! The lines that were entered before, kept in a file from run to run.
//!
//! The file has an entry on each line, `\` and newlines escaped by `\`. Only its owner can read it.
//! Runs at the same time append to it in turn.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The most entries, and the most bytes of an entry and of the file that are kept.
const MAX_ENTRIES: usize = 2_000;
const MAX_ENTRY: usize = 16 << 10;
const MAX_FILE: u64 = 2 << 20;

/// The history of one run.
#[derive(Debug, Default)]
pub(crate) struct History {
    entries: Vec<String>,
    file: Option<PathBuf>,
}

impl History {
    /// Reads the file, and returns the history with it; a file that does not exist is empty.
    ///
    /// # Errors
    /// Fails if there is a file that can't be read.
    pub(crate) fn load(file: PathBuf) -> io::Result<Self> {
        let mut text = Vec::new();
        let mut len = 0;
        match File::open(&file) {
            Ok(opened) => {
                len = opened.metadata()?.len();
                let mut opened = opened;
                io::Seek::seek(&mut opened, io::SeekFrom::Start(len.saturating_sub(MAX_FILE)))?;
                opened.take(MAX_FILE).read_to_end(&mut text)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let text = String::from_utf8_lossy(&text);
        // The first line may lack its beginning.
        let lines = text.lines().skip(usize::from(len > MAX_FILE));
        let mut history = Self { entries: lines.map(unescape).collect(), file: Some(file) };
        let excess = history.entries.len().saturating_sub(MAX_ENTRIES);
        history.entries.drain(..excess);
        if excess > MAX_ENTRIES || len > MAX_FILE {
            history.rewrite()?;
        }
        Ok(history)
    }

    /// Returns the entries, the oldest first.
    pub(crate) fn entries(&self) -> &[String] {
        &self.entries
    }

    /// Adds a line, unless it begins with a space, repeats the last one, or is very long.
    ///
    /// # Errors
    /// Fails if the file can't be written; this line and those that follow are kept for this run.
    pub(crate) fn add(&mut self, line: &str) -> io::Result<()> {
        let is_kept = !line.starts_with(' ') && !line.trim().is_empty() && line.len() <= MAX_ENTRY;
        if !is_kept || self.entries.last().is_some_and(|last| last == line) {
            return Ok(());
        }
        self.entries.push(line.to_owned());
        if self.entries.len() > MAX_ENTRIES {
            self.entries.remove(0);
        }
        let Some(file) = &self.file else { return Ok(()) };
        let mut options = OpenOptions::new();
        let opened = open_private(options.append(true).create(true), file);
        // In one write, so that runs at the same time do not mix their lines.
        let written = opened
            .and_then(|mut opened| opened.write_all(format!("{}\n", escape(line)).as_bytes()));
        let Err(error) = written else { return Ok(()) };
        let named = io::Error::new(error.kind(), format!("{}: {error}", file.display()));
        // It is said once.
        self.file = None;
        Err(named)
    }

    /// Writes the entries into a new file in the place of the old one.
    fn rewrite(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let new = file.with_extension(format!("{}.new", std::process::id()));
        let text: String = self.entries.iter().map(|entry| escape(entry) + "\n").collect();
        let mut options = OpenOptions::new();
        open_private(options.write(true).create_new(true), &new)?.write_all(text.as_bytes())?;
        fs::rename(new, file)
    }
}

/// Opens a file that only its owner can read, in a folder of the same kind.
fn open_private(options: &mut OpenOptions, file: &Path) -> io::Result<File> {
    if let Some(folder) = file.parent() {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder)?;
    }
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    let opened = options.open(file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mut permissions = opened.metadata()?.permissions();
        if permissions.mode() & 0o077 != 0 {
            permissions.set_mode(0o600);
            opened.set_permissions(permissions)?;
        }
    }
    Ok(opened)
}

fn escape(line: &str) -> String {
    line.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescape(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some(other) => text.push(other),
                None => text.push(c),
            },
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("fdx-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn history_is_kept_in_a_private_file() {
        let folder = folder("history");
        let file = folder.join("fdx/history");
        let mut history = History::load(file.clone()).unwrap();
        for line in ["one", "one", " hidden", "  ", "{\n \"a\": \"\\n\"\r\n}", "two"] {
            history.add(line).unwrap();
        }
        history.add(&"x".repeat(MAX_ENTRY + 1)).unwrap();
        let expected = ["one", "{\n \"a\": \"\\n\"\r\n}", "two"];
        assert_eq!(history.entries(), expected);
        assert_eq!(History::load(file.clone()).unwrap().entries(), expected);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&file), mode(&folder.join("fdx"))), (0o600, 0o700));
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            history.add("three").unwrap();
            assert_eq!(mode(&file), 0o600);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn history_of_two_runs_is_one() {
        let folder = folder("two-runs");
        let file = folder.join("history");
        let mut first = History::load(file.clone()).unwrap();
        let mut second = History::load(file.clone()).unwrap();
        first.add("a").unwrap();
        second.add("b").unwrap();
        first.add("c").unwrap();
        assert_eq!(History::load(file).unwrap().entries(), ["a", "b", "c"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn history_has_bounds() {
        let folder = folder("bounds");
        let file = folder.join("history");
        fs::create_dir_all(&folder).unwrap();
        let line = "y".repeat(1_000);
        fs::write(&file, format!("{line}\n").repeat(5_000)).unwrap();
        let mut history = History::load(file.clone()).unwrap();
        assert!(history.entries().len() <= MAX_ENTRIES);
        assert!(history.entries().iter().all(|entry| *entry == line));
        assert!(fs::metadata(&file).unwrap().len() <= MAX_FILE);
        for n in 0..=MAX_ENTRIES {
            history.entries.push(n.to_string());
        }
        history.add("last").unwrap();
        // Files that can't be used are errors, and the line is kept for the run.
        let mut nowhere = History::load(folder.join("none")).unwrap();
        nowhere.file = Some(PathBuf::from("/dev/null/history"));
        let error = nowhere.add("kept").unwrap_err().to_string();
        assert!(error.starts_with("/dev/null/history: "), "{error}");
        assert!(nowhere.add("kept too").is_ok());
        assert_eq!(nowhere.entries(), ["kept", "kept too"]);
        fs::remove_dir_all(folder).unwrap();
    }
}
