//! Browsers that are set to use the proxy, each in a new profile.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fullduplex::server::tls::CertificateAuthority;
use ring::digest;

use super::files::RunFiles;

/// How a browser is set up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Browser {
    Chromium,
    Firefox,
}

/// The beginnings of the names of programs.
const PROGRAMS: [(&str, Browser); 8] = [
    ("chromium", Browser::Chromium),
    ("google-chrome", Browser::Chromium),
    ("chrome", Browser::Chromium),
    ("brave", Browser::Chromium),
    ("microsoft-edge", Browser::Chromium),
    ("msedge", Browser::Chromium),
    ("vivaldi", Browser::Chromium),
    ("firefox", Browser::Firefox),
];

/// The settings of Firefox besides those of the proxy: none of its own pages, and none of its own
/// connections that are WebSockets or look for a way to the internet.
const PREFERENCES: [(&str, &str); 16] = [
    ("network.proxy.type", "1"),
    ("network.proxy.no_proxies_on", "\"\""),
    ("network.proxy.allow_hijacking_localhost", "true"),
    ("network.proxy.failover_direct", "false"),
    // The authorities of Windows and macOS.
    ("security.enterprise_roots.enabled", "true"),
    ("browser.shell.checkDefaultBrowser", "false"),
    ("browser.aboutwelcome.enabled", "false"),
    ("browser.startup.homepage_override.mstone", "\"ignore\""),
    ("datareporting.policy.dataSubmissionEnabled", "false"),
    ("dom.push.connection.enabled", "false"),
    ("network.captive-portal-service.enabled", "false"),
    ("network.connectivity-service.enabled", "false"),
    ("app.normandy.enabled", "false"),
    ("services.settings.server", "\"data:,\""),
    ("browser.region.network.url", "\"\""),
    ("browser.safebrowsing.downloads.remote.enabled", "false"),
];

/// Returns the options for the program, if it is a browser, and makes its profile.
pub(super) fn options(
    program: &OsStr,
    proxy: SocketAddr,
    authority: &CertificateAuthority,
    files: &RunFiles,
) -> Result<Vec<OsString>, String> {
    let profile = files.profile();
    match browser(program) {
        None => Ok(Vec::new()),
        Some(Browser::Chromium) => Ok(chromium(proxy, authority, &profile)),
        Some(Browser::Firefox) => {
            let made = firefox(proxy, files, &profile);
            made.map_err(|error| format!("the profile of Firefox: {error}"))?;
            let profile = profile.into_os_string();
            Ok(vec!["--no-remote".into(), "--profile".into(), profile])
        }
    }
}

/// Returns which browser a program is, by its name.
fn browser(program: &OsStr) -> Option<Browser> {
    let name = Path::new(program).file_name()?.to_string_lossy().to_ascii_lowercase();
    // As on macOS.
    let name = name.replace(' ', "-");
    PROGRAMS.iter().find(|(known, _)| name.starts_with(known)).map(|(_, browser)| *browser)
}

fn chromium(proxy: SocketAddr, authority: &CertificateAuthority, profile: &Path) -> Vec<OsString> {
    let key = digest::digest(&digest::SHA256, &authority.public_key_der());
    let key = BASE64_STANDARD.encode(key);
    let mut folder = OsString::from("--user-data-dir=");
    folder.push(profile);
    let mut options = vec![folder];
    options.extend([
        format!("--proxy-server=http://{proxy}").into(),
        // Otherwise localhost is reached without the proxy.
        "--proxy-bypass-list=<-loopback>".into(),
        format!("--ignore-certificate-errors-spki-list={key}").into(),
    ]);
    let quiet = ["--no-first-run", "--no-default-browser-check", "--disable-background-networking"];
    options.extend(quiet.map(OsString::from));
    options
}

fn firefox(proxy: SocketAddr, files: &RunFiles, profile: &Path) -> std::io::Result<()> {
    fs::create_dir(profile)?;
    let mut lines: Vec<String> = PREFERENCES
        .iter()
        .map(|(name, value)| format!("user_pref(\"{name}\", {value});\n"))
        .collect();
    for scheme in ["http", "ssl"] {
        let (ip, port) = (proxy.ip(), proxy.port());
        lines.push(format!("user_pref(\"network.proxy.{scheme}\", \"{ip}\");\n"));
        lines.push(format!("user_pref(\"network.proxy.{scheme}_port\", {port});\n"));
    }
    fs::write(profile.join("user.js"), lines.concat())?;
    let mut database = OsString::from("sql:");
    database.push(profile);
    let certutil = |words: &[&OsStr]| {
        let mut command = Command::new("certutil");
        command.args(words).arg("-d").arg(&database);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let words = |words: &'static str| words.split(' ').map(OsStr::new).collect::<Vec<_>>();
    let authority = files.authority();
    let added = [&words("-A -n fdx-inspect -t C,, -i")[..], &[authority.as_os_str()]].concat();
    // That of Windows is another program.
    if cfg!(windows) || !certutil(&words("-N --empty-password")) || !certutil(&added) {
        report!(
            "fdx inspect: Firefox does not trust its authority, and warns of pages with TLS: \
             certutil of NSS is missing (libnss3-tools, nss-tools, or nss of Homebrew)"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_known_by_the_name_of_their_program() {
        for (program, expected) in [
            ("/usr/bin/chromium", Some(Browser::Chromium)),
            ("google-chrome-stable", Some(Browser::Chromium)),
            ("/Applications/X.app/Contents/MacOS/Google Chrome", Some(Browser::Chromium)),
            ("firefox-esr", Some(Browser::Firefox)),
            ("curl", None),
            ("", None),
        ] {
            assert_eq!(browser(OsStr::new(program)), expected, "{program}");
        }
    }
}
