//! A network namespace for the run: loopback of its own, without the machine's traffic, and with a
//! congestion control that paces nothing.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::Result;

/// The environment variable that is set inside of the namespace.
const INSIDE: &str = "FULLDUPLEX_BENCH_NAMESPACE";
/// The congestion control of the namespace: what loopback carries is not held back by a pacing
/// timer, as it may be with bbr.
const CONTROL: &str = "reno";
const CONTROL_FILE: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// Runs this command again in a new network namespace, unless it runs in one already. Returns only
/// in the namespace, or with the reason why there can be none.
///
/// The programs that are measured must be installed beforehand: the namespace has no way to the
/// registries of packages.
pub fn enter() -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return set_up();
    }
    let mut again = Command::new("unshare");
    again.args(["--net", "--"]).arg(std::env::current_exe()?).args(std::env::args_os().skip(1));
    // It returns only if it fails.
    let why = match probe() {
        Ok(()) => again.env(INSIDE, "1").exec().to_string(),
        Err(why) => why,
    };
    Err(format!("--namespace: no network namespace can be made (it needs root): {why}").into())
}

/// Tries whether a namespace can be made: of a command that runs in its place, this one would not
/// learn the reason.
fn probe() -> Result<(), String> {
    let output = Command::new("unshare").args(["--net", "--", "true"]).output();
    match output.map_err(|why: io::Error| format!("unshare: {why}"))? {
        output if output.status.success() => Ok(()),
        output => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

fn set_up() -> Result<()> {
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    let up = up.map_err(|why| format!("--namespace: ip: {why}"))?;
    if !up.success() {
        return Err("--namespace: loopback can't be set up".into());
    }
    std::fs::write(CONTROL_FILE, CONTROL)
        .map_err(|why| format!("--namespace: {CONTROL_FILE}: {why}").into())
}

/// Returns the congestion control of TCP in this namespace.
pub fn congestion_control() -> String {
    let name = std::fs::read_to_string(CONTROL_FILE).unwrap_or_default();
    name.trim().to_owned()
}
