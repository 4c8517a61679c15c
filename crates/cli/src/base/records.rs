//! Files with WebSockets: recordings and HAR files.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use fullduplex_inspect::har;
use fullduplex_inspect::recording::Record;

/// The longest line of a recording, in bytes.
const MAX_LINE: u64 = 64 << 20;

/// What the first line of a recording has.
const MARK: &[u8] = b"\"fullduplex-recording\"";

/// Calls `take` with each record of a recording, line by line, or with those that say what a HAR
/// file has. Such a file is read as a whole, and may have `max_har` bytes.
///
/// # Errors
/// If the file can't be read or is neither, or `take` fails.
pub(crate) fn read_records(
    path: &Path,
    max_har: u64,
    mut take: impl FnMut(Record) -> Result<(), String>,
) -> Result<(), String> {
    let failed = |why: String| format!("{}: {why}", path.display());
    let mut file =
        File::open(path).map(BufReader::new).map_err(|error| failed(error.to_string()))?;
    let begin = file.fill_buf().map_err(|error| failed(error.to_string()))?;
    let first = begin.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if first.windows(MARK.len()).any(|part| part == MARK) {
        return read_recording(file, take).map_err(failed);
    }
    let mut text = String::new();
    let read = file.take(max_har + 1).read_to_string(&mut text);
    match read {
        Ok(len) if len as u64 > max_har => {
            return Err(failed(format!("a HAR file of more than {} MiB", max_har >> 20)));
        }
        Ok(_) => {}
        Err(error) => return Err(failed(error.to_string())),
    }
    let sockets = har::read(&text);
    let sockets =
        sockets.map_err(|error| failed(format!("neither a recording nor a HAR file: {error}")))?;
    drop(text);
    for (number, socket) in (1..).zip(sockets) {
        socket.to_records(number).try_for_each(&mut take).map_err(failed)?;
    }
    Ok(())
}

fn read_recording(
    mut file: BufReader<File>,
    mut take: impl FnMut(Record) -> Result<(), String>,
) -> Result<(), String> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = (&mut file).take(MAX_LINE).read_until(b'\n', &mut line);
        let at_line = |why: String| format!("line {number}: {why}");
        if read.map_err(|error| error.to_string())? == 0 {
            break;
        }
        let is_whole = line.ends_with(b"\n");
        if !is_whole && line.len() as u64 == MAX_LINE {
            return Err(at_line(format!("longer than {} MiB", MAX_LINE >> 20)));
        }
        let text = std::str::from_utf8(&line).map_err(|_| at_line("not UTF-8".into()));
        let record =
            text.and_then(|text| Record::parse(text).map_err(|error| at_line(error.to_string())));
        match record {
            Ok(Some(record)) => take(record)?,
            Ok(None) => {}
            // The program that recorded was killed while it wrote its last line.
            Err(_) if !is_whole => break,
            Err(why) => return Err(why),
        }
    }
    Ok(())
}

/// Creates a file that only this user can read, as it has credentials.
///
/// # Errors
/// If it can't be created.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use fullduplex_inspect::recording::HEADER;

    use super::*;

    #[test]
    fn records_are_read_of_recordings_and_of_har_files() {
        let folder = std::env::temp_dir().join(format!("fdx-records-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        let read = |content: &str, max_har| {
            fs::write(&path, content).unwrap();
            let mut records = Vec::new();
            let read = read_records(&path, max_har, |record| {
                records.push(record);
                Ok(())
            });
            read.map(|()| records.len())
        };
        let line = r#"{"connection":1,"at":1,"from":"client","end":"FIN"}"#;
        assert_eq!(read(&format!("{HEADER}\n{line}\n\n{line}"), 0), Ok(2));
        // The last line is cut.
        assert_eq!(read(&format!("{HEADER}\n{line}\n{}", &line[..9]), 0), Ok(1));
        let why = read(&format!("{HEADER}\n{}\n{line}\n", &line[..9]), 0).unwrap_err();
        assert!(why.contains("line 2: "), "{why}");
        let har = r#"{"log": {"entries": [{"request": {"url": "ws://a/"}, "_webSocketMessages":
            [{"type": "send", "time": 1, "opcode": 1, "data": "hi"}]}]}}"#;
        assert_eq!(read(har, 1000), Ok(2));
        assert!(read(har, 100).unwrap_err().contains("more than"));
        assert!(read("text", 100).unwrap_err().contains("neither a recording nor a HAR"));
        fs::remove_dir_all(&folder).unwrap();
        assert!(read_records(&path, 0, |_| Ok(())).is_err());
    }
}
