//! The authority of the proxy, kept in files, and `fdx inspect ca`.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args as ClapArgs;
use fullduplex::server::tls::{CertificateAuthority, CertificateInfo};

use super::trust;
use crate::base::files::{read_config, write_private};
use crate::base::pem::der;
use crate::client::verbose;
use crate::config::absolute_folder;
use crate::serve::tls::host_name;
use crate::serve::utc_time::utc_day;

/// The time before the end of its validity from which it is said that there should be a new one.
const WARN_BEFORE: Duration = Duration::from_secs(14 * 86_400);

/// The longest part of its name that says whose it is.
const MAX_OWNER: usize = 36;

/// The command line of `fdx inspect ca`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
`fdx inspect run` needs no trust of this authority: it has its own for each run.

Exit codes:
  1  the files can't be read or written, or the certificate of the authority has expired")]
pub(crate) struct CaArgs {
    /// The folder of the authority, by default fdx/authority in that for the data of programs
    #[arg(long, value_name = "DIR")]
    ca_dir: Option<PathBuf>,
    /// Replace the authority by a new one, which programs must be made to trust again
    #[arg(long)]
    renew: bool,
    /// Write the certificate to a file too, in PEM; - is standard output, and then nothing else is
    /// printed
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
}

/// The files of the authority.
pub(in crate::inspect) struct AuthorityFiles {
    folder: PathBuf,
}

impl AuthorityFiles {
    /// Returns those in a folder, or in that for the data of programs by the XDG Base Directory
    /// Specification.
    pub(super) fn new(folder: Option<&Path>) -> Result<Self, String> {
        let of_user = || {
            let data = absolute_folder("XDG_DATA_HOME");
            let data = data.or_else(|| Some(std::env::home_dir()?.join(".local/share")))?;
            Some(data.join("fdx/authority"))
        };
        let folder = folder.map(Path::to_owned).or_else(of_user);
        let folder = folder.ok_or("the folder of the authority is not known: set --ca-dir")?;
        Ok(Self { folder })
    }

    fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.join("ca.key")
    }

    /// Reads the authority from its files, or creates both if there are none.
    pub(super) fn authority(&self) -> Result<CertificateAuthority, String> {
        let (certificate, key) = (self.certificate(), self.key());
        let pem = match read_config(&certificate) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.make(),
            read => read.map_err(|error| failed(&certificate, &error))?,
        };
        check_mode(&key)?;
        let key_pem = read_config(&key).map_err(|error| failed(&key, &error))?;
        let authority = CertificateAuthority::from_pem(&pem, &key_pem)
            .map_err(|error| format!("{}: {error}", certificate.display()))?;
        let info = CertificateInfo::of_der(&der(&pem)).map_err(|error| error.to_string())?;
        let left = info.not_after.duration_since(SystemTime::now()).unwrap_or_default();
        if left.is_zero() {
            let file = certificate.display();
            return Err(format!("{file} has expired: fdx inspect ca --renew makes another"));
        }
        if left < WARN_BEFORE {
            let days = left.as_secs() / 86_400;
            report!("fdx inspect: the authority is valid for {days} days: fdx inspect ca --renew");
        }
        Ok(authority)
    }

    /// Creates a new authority, and writes it over the files of one that is there.
    fn make(&self) -> Result<CertificateAuthority, String> {
        let authority = CertificateAuthority::new(&name()).map_err(|error| error.to_string())?;
        let (certificate, key) = (self.certificate(), self.key());
        make_private_folder(&self.folder).map_err(|error| failed(&self.folder, &error))?;
        write_private(&key, &authority.key_pem()).map_err(|error| failed(&key, &error))?;
        fs::write(&certificate, authority.pem()).map_err(|error| failed(&certificate, &error))?;
        Ok(authority)
    }
}

/// Prints where the authority is and how to trust it, and returns the exit code.
pub(in crate::inspect) fn run(args: &CaArgs) -> ExitCode {
    match print(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            report!("fdx inspect ca: {why}");
            ExitCode::from(1)
        }
    }
}

fn print(args: &CaArgs) -> Result<(), String> {
    let files = AuthorityFiles::new(args.ca_dir.as_deref())?;
    let authority = if args.renew { files.make()? } else { files.authority()? };
    let to_stdout = |text: &str| {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(|error| format!("standard output: {error}"))
    };
    match &args.export {
        Some(file) if file == Path::new("-") => return to_stdout(authority.pem()),
        Some(file) => {
            fs::write(file, authority.pem()).map_err(|error| failed(file, &error))?;
        }
        None => {}
    }
    let der = der(authority.pem());
    let info = CertificateInfo::of_der(&der).map_err(|error| error.to_string())?;
    let (certificate, key) = (files.certificate(), files.key());
    let text = format!(
        "name         {}\ncertificate  {}\nits SHA-256  {}\nvalid until  {}\nkey          {}\n\n\
         A program that has the key can read and change the TLS of all that trusts the \
         certificate.\n\n{}",
        info.subject.trim_start_matches("CN="),
        certificate.display(),
        verbose::fingerprint(&der),
        utc_day(info.not_after),
        key.display(),
        trust::instructions(&certificate),
    );
    to_stdout(&text)
}

/// Returns the name of a new authority: what made it, for whom, and when.
pub(in crate::inspect) fn name() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_default();
    let host = host_name().unwrap_or_default();
    let owner = if user.is_empty() { host } else { format!("{user}@{host}") };
    let is_kept = |c: &char| c.is_ascii_alphanumeric() || "-._@".contains(*c);
    let owner: String = owner.chars().filter(is_kept).take(MAX_OWNER).collect();
    format!("fdx inspect ({owner}) {}", utc_day(SystemTime::now()))
}

/// Makes a folder that only this user can enter, with those above it.
fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Checks that no other user can read the key.
fn check_mode(key: &Path) -> Result<(), String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        let mode = fs::metadata(key).map_err(|error| failed(key, &error))?.permissions().mode();
        if mode & 0o077 != 0 {
            let file = key.display();
            return Err(format!(
                "{file} can be used by others: make a new one by fdx inspect ca --renew"
            ));
        }
    }
    let _ = key;
    Ok(())
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
