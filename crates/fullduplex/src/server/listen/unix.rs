//! Listeners on Unix sockets.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// Listens on a Unix socket. The socket is non-blocking, as tokio's `UnixListener::from_std`
/// needs.
///
/// An existing socket file is removed if no process listens on it, as a killed server leaves its
/// file behind. This does not protect against two servers that start at the same instant.
///
/// `mode` sets the permissions of the file, such as `0o660` for owner and group; on Linux, write
/// permission is needed to connect. They are set before the socket listens, so that no client
/// without permission can connect in between. With `None`, the umask of the process applies.
///
/// `backlog` is the number of connections that may wait to be accepted, such as
/// [`BACKLOG`](crate::server::listen::BACKLOG). The file stays when the listener is dropped; see
/// [`UnixSocketFile`].
///
/// # Errors
/// Another process listens on the socket, or the file is not a socket; or the error of the system.
///
/// ```
/// use std::path::Path;
///
/// use fullduplex::server::Server;
/// use fullduplex::server::listen::{BACKLOG, Listener, UnixSocketFile, bind_unix};
///
/// # async fn example() -> std::io::Result<()> {
/// let path = Path::new("/run/chat/socket");
/// let listener = bind_unix(path, Some(0o660), BACKLOG)?;
/// let _file = UnixSocketFile::new(path);
/// let server = Server::from_listener(Listener::try_from(listener)?);
/// # Ok(())
/// # }
/// ```
pub fn bind_unix(
    path: impl AsRef<Path>,
    mode: Option<u32>,
    backlog: u32,
) -> io::Result<UnixListener> {
    let path = path.as_ref();
    let make = || {
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        if let Some(mode) = mode {
            fs::set_permissions(path, Permissions::from_mode(mode & 0o777))?;
        }
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(socket.into())
    };
    make().map_err(|error: io::Error| {
        io::Error::new(error.kind(), format!("listening on {}: {error}", path.display()))
    })
}

/// Removes a socket file that no process listens on.
fn remove_stale(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the file exists and is not a socket",
        ));
    }
    match UnixStream::connect(path) {
        // The process that listened is gone.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another server is listening")),
        // Unknown, such as without permission to connect.
        Err(error) => Err(error),
    }
}

/// A guard that removes the file of a Unix socket when dropped.
///
/// If a new server takes over the path from an old one, the old one must not drop its guard, as
/// that would remove the new file.
#[derive(Debug)]
pub struct UnixSocketFile(PathBuf);

impl UnixSocketFile {
    /// Creates a guard for the socket file at this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl Drop for UnixSocketFile {
    fn drop(&mut self) {
        // It may be gone already; `drop` can't report errors.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("fullduplex-unix-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn unix_socket_has_its_mode() {
        let folder = Folder::new("mode");
        let path = folder.0.join("s");
        for wanted in [Some(0o600), Some(0o666), None] {
            let listener = bind_unix(&path, wanted, 9).unwrap();
            assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
            let _client = UnixStream::connect(&path).unwrap();
            listener.accept().unwrap();
            if let Some(wanted) = wanted {
                assert_eq!(mode(&path), wanted);
            }
        }
    }

    #[test]
    fn unix_socket_is_removed_only_if_no_server_listens() {
        let folder = Folder::new("stale");
        let path = folder.0.join("s");
        let first = bind_unix(&path, Some(0o600), 9).unwrap();
        for mode in [Some(0o600), None] {
            let error = bind_unix(&path, mode, 9).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            assert!(error.to_string().contains("another server"), "{error}");
        }
        drop(first);
        assert!(path.exists());
        let _second = bind_unix(&path, Some(0o600), 9).unwrap();
        UnixStream::connect(&path).unwrap();

        let file = folder.0.join("file");
        fs::write(&file, "precious").unwrap();
        let error = bind_unix(&file, None, 9).unwrap_err();
        assert!(error.to_string().contains("is not a socket"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        let link = folder.0.join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(bind_unix(&link, None, 9).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let error = bind_unix(folder.0.join("none/s"), Some(0o600), 9).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn unix_socket_file_is_removed_with_its_guard() {
        let folder = Folder::new("guard");
        let path = folder.0.join("s");
        let listener = bind_unix(&path, None, 9).unwrap();
        drop((listener, UnixSocketFile::new(&path)));
        assert!(!path.exists());
        drop(UnixSocketFile::new(&path));
    }
}
