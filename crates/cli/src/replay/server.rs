//! Recorded WebSockets as a server: a mock that answers as recorded.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fullduplex::server::policy::{HostPolicy, OriginPolicy};
use fullduplex::server::{DrainOptions, Handshake, Server, ServerConfig};
use fullduplex::{DeflateConfig, Error, Role};
use fullduplex_inspect::replay::Talk;
use http::header::ORIGIN;
use http::{Response, StatusCode};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::args::Args;
use super::play::{PlaySettings, play};
use super::report::Report;
use crate::base::redact::redact_target;
use crate::base::signals::EndSignals;
use crate::client::ConnectOutcome;
use crate::client::url::path_of;
use crate::serve::listen::{Address, SystemdListeners};
use crate::serve::tls::ServeTls;
use crate::serve::until_signal::StartError;

/// The time for the clients to close at the end.
const DRAIN: Duration = Duration::from_millis(600);

/// The hint in the response to a client that asks for a host other than this machine.
const HOST_ADVICE: &str = "on loopback addresses, fdx replay answers for other names than \
                           localhost with --any-origin";

/// A server of recorded WebSockets.
struct Mock {
    talks: Mutex<Vec<Answer>>,
    settings: PlaySettings,
    report: Arc<Report>,
    /// Whether each recorded WebSocket is used once.
    is_once: bool,
    is_any_origin: bool,
    /// Wakes when each was used once, and has ended.
    all_used: Notify,
}

/// A recorded WebSocket, and how often it was used.
struct Answer {
    talk: Arc<Talk>,
    used: u32,
    ended: u32,
}

/// Answers clients until a signal, or until all was used once.
pub(super) async fn serve(
    args: &Args,
    talks: Vec<Talk>,
    report: Arc<Report>,
    systemd: &mut SystemdListeners,
    signals: &mut EndSignals,
) -> Result<ConnectOutcome, StartError> {
    let of_system = |why: String| (why, ConnectOutcome::LocalIo);
    let mut bound = args.listen.bind(systemd, None).map_err(of_system)?;
    let addresses: Vec<Address> = bound.iter().map(|bound| bound.address.clone()).collect();
    // They remove the files of Unix sockets when this function returns.
    #[cfg(unix)]
    let _files: Vec<_> = bound.iter_mut().map(|bound| bound.file.take()).collect();
    let tls = ServeTls::new(args.tls.options(&[]), &addresses).map_err(of_system)?;
    let is_compressed = talks.iter().any(|talk| talk.opening.deflate().is_some());
    let mut listeners = bound.into_iter().map(|bound| bound.listener);
    let first = listeners.next().ok_or_else(|| of_system("there is no address".into()))?;
    let mut server = listeners.fold(Server::from_listener(first), Server::add_listener);
    server = server.config(config(args, &addresses, is_compressed));
    if let Some(tls) = &tls {
        server = server.tls(tls.config.clone());
    }
    for address in &addresses {
        match address {
            Address::Tcp(address) => {
                report.line(&format!("listening on {}://{address}/", args.tls.scheme()));
            }
            #[cfg(unix)]
            _ => report.line(&format!("listening on {address}")),
        }
    }
    if let Some(open) = addresses.iter().find(|address| !address.is_local()) {
        report!("fdx replay: warning: every client that reaches {open} gets what was recorded");
    }
    if let Some(signed) = tls.and_then(|tls| tls.self_signed) {
        report.line(&format!("certificate for --ca: {}", signed.file.display()));
        report.line(&format!("its SHA-256: {}", signed.fingerprint));
    }
    report.line(&format!("answering for {} recorded WebSockets", talks.len()));

    let answer = |talk: Talk| Answer { talk: Arc::new(talk), used: 0, ended: 0 };
    let mock = Arc::new(Mock {
        talks: Mutex::new(talks.into_iter().map(answer).collect()),
        settings: args.play_settings(),
        report,
        is_once: args.once,
        is_any_origin: args.any_origin,
        all_used: Notify::new(),
    });
    let handle = server.handle();
    let answering = mock.clone();
    let serving = tokio::spawn(server.serve_handshakes(move |handshake| {
        let mock = answering.clone();
        async move { mock.answer(handshake).await }
    }));
    let outcome = tokio::select! {
        biased;
        signal = signals.next() => signal.into(),
        () = mock.all_used.notified() => ConnectOutcome::Clean,
    };
    let draining = async {
        handle.drain(DrainOptions::default().deadline(DRAIN)).await;
        let _ = timeout(DRAIN, serving).await;
    };
    tokio::select! {
        biased;
        _ = signals.next() => {}
        () = draining => {}
    }
    Ok(outcome)
}

fn config(args: &Args, addresses: &[Address], is_compressed: bool) -> ServerConfig {
    let mut config = ServerConfig::default();
    // The origin is checked before a recorded WebSocket is used.
    config.origin_policy = OriginPolicy::DangerousAny;
    if !args.any_origin && addresses.iter().all(Address::is_local) {
        config.host_policy = HostPolicy::Local { advice: HOST_ADVICE.into() };
    }
    config.websocket.limits.max_message_size = Some(args.max_memory() as u64);
    config.websocket.deflate = is_compressed.then(DeflateConfig::default);
    config
}

impl Mock {
    /// Answers a request by a recorded WebSocket, and says what differed.
    async fn answer(&self, mut handshake: Handshake) -> Result<(), Error> {
        let began = Instant::now();
        if !handshake.is_websocket() {
            let why = "this is fdx replay, which takes WebSockets only\n";
            return handshake.respond(refusal(StatusCode::UPGRADE_REQUIRED, why)).await;
        }
        let request = handshake.request();
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let shown = redact_target(target);
        let origin = request.headers().get(ORIGIN).map(|origin| origin.as_bytes().to_vec());
        if let Some(origin) = origin.filter(|origin| !self.is_any_origin && !is_local(origin)) {
            let origin = String::from_utf8_lossy(&origin).into_owned();
            self.report.line(&format!(
                "a page of {origin} asked for {shown}: --any-origin answers those of other machines"
            ));
            let why = "fdx replay answers pages of this machine; others with --any-origin\n";
            return handshake.respond(refusal(StatusCode::FORBIDDEN, why)).await;
        }
        let talk = match self.choose(target, handshake.subprotocols()) {
            Ok(talk) => talk,
            Err(why) => {
                self.report.line(&format!("a client asked for {shown}: {why}"));
                let response = refusal(StatusCode::NOT_FOUND, &format!("fdx replay: {why}\n"));
                return handshake.respond(response).await;
            }
        };
        let subprotocol = talk.opening.response_field("sec-websocket-protocol");
        handshake.set_subprotocol(subprotocol.map(str::to_owned));
        self.report.note(&talk, &format!("a client opened {shown}"));
        let opened = handshake.accept().await;
        if let Ok(websocket) = opened {
            let played = play(websocket, &talk, Role::Server, began, &self.settings).await;
            self.report.ended(&talk, Role::Server, &played);
        } else {
            self.report.failed();
        }
        self.end(&talk);
        Ok(())
    }

    /// Returns a recorded WebSocket for a request, the first of those that were used the least, or
    /// why there is none.
    fn choose(&self, target: &str, offered: &[String]) -> Result<Arc<Talk>, String> {
        let mut answers = self.talks.lock().unwrap_or_else(PoisonError::into_inner);
        let path = |target: &str| target.split('?').next().unwrap_or_default().to_owned();
        let has_path =
            |answer: &&mut Answer| path(path_of(&answer.talk.opening.url)) == path(target);
        if !answers.iter_mut().any(|answer| has_path(&answer)) {
            let mut paths: Vec<&str> =
                answers.iter().map(|answer| path_of(&answer.talk.opening.url)).collect();
            paths.dedup();
            paths.truncate(10);
            return Err(format!(
                "no WebSocket of this path was recorded, but {}",
                paths.join(", ")
            ));
        }
        let is_offered = |answer: &&mut Answer| {
            let chosen = answer.talk.opening.response_field("sec-websocket-protocol");
            chosen.is_none_or(|chosen| offered.iter().any(|offered| offered == chosen))
        };
        let is_free = |answer: &&mut Answer| !self.is_once || answer.used == 0;
        let found = answers.iter_mut().filter(has_path).filter(is_offered).filter(is_free);
        // Those of the same query come before others.
        let found =
            found.min_by_key(|answer| (path_of(&answer.talk.opening.url) != target, answer.used));
        let Some(found) = found else {
            return Err(if self.is_once {
                "all that were recorded of this path were used (--once), or have another \
                 subprotocol"
                    .into()
            } else {
                "the subprotocol that was recorded is not offered".into()
            });
        };
        found.used += 1;
        Ok(found.talk.clone())
    }

    /// Takes notice that one has ended.
    fn end(&self, talk: &Arc<Talk>) {
        let mut answers = self.talks.lock().unwrap_or_else(PoisonError::into_inner);
        for answer in answers.iter_mut().filter(|answer| Arc::ptr_eq(&answer.talk, talk)) {
            answer.ended += 1;
        }
        if self.is_once && answers.iter().all(|answer| answer.ended > 0) {
            self.all_used.notify_one();
        }
    }
}

fn refusal(status: StatusCode, why: &str) -> Response<String> {
    let mut response = Response::new(why.to_owned());
    *response.status_mut() = status;
    response
}

/// Returns whether an origin is of this machine.
fn is_local(origin: &[u8]) -> bool {
    let Ok(origin) = std::str::from_utf8(origin) else { return false };
    let Some((_, authority)) = origin.split_once("://") else { return false };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_of_this_machine_by_its_host() {
        for (origin, expected) in [
            ("http://localhost:3000", true),
            ("https://app.localhost", true),
            ("http://127.0.0.1", true),
            ("http://[::1]:80", true),
            ("http://localhost.evil", false),
            ("http://192.0.2.1:80", false),
            ("null", false),
        ] {
            assert_eq!(is_local(origin.as_bytes()), expected, "{origin}");
        }
    }
}
