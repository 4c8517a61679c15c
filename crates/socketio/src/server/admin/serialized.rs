//! Sockets as the Admin UI shows them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use http::Request;
use http::header::{AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION};
use serde_json::{Map, Value as Json, json};

use crate::server::ServerShared;
use crate::server::cores::{NamespaceCore, SocketCore};
use crate::server::target::Target;

/// Header fields that are not shown.
const SECRET: [http::HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];
/// The longest header of a socket that is shown, in bytes.
const MAX_HEADERS: usize = 2048;
/// The most bytes of all sockets that are sent at once.
const MAX_ALL: usize = 1 << 19;

/// Returns the open namespaces.
pub(super) fn namespaces(shared: &ServerShared) -> Vec<Arc<NamespaceCore>> {
    let namespaces = shared.namespaces.read().unwrap_or_else(PoisonError::into_inner);
    namespaces.open.values().cloned().collect()
}

/// Returns the sockets of all namespaces, as many as fit into the queue of a connection.
pub(super) fn all(shared: &ServerShared) -> (Vec<Arc<SocketCore>>, Vec<Json>) {
    let max = MAX_ALL.min(shared.max_queue_bytes / 2);
    let mut size = 0;
    namespaces(shared)
        .iter()
        .flat_map(|namespace| namespace.sockets(&Target::default()))
        .map(|core| {
            let json = socket(&core);
            (core, json)
        })
        .take_while(|(_, json)| {
            size += json.to_string().len();
            size <= max
        })
        .unzip()
}

/// Returns a socket.
pub(super) fn socket(core: &SocketCore) -> Json {
    let sender = &core.connection.sender;
    let rooms = core.namespace.rooms_of(core.id);
    let rooms = std::iter::once(core.id.to_string()).chain(rooms.iter().map(ToString::to_string));
    json!({
        "id": core.id.as_str(),
        "clientId": client_id(core),
        "transport": sender.transport().as_str(),
        "nsp": &**core.namespace.name(),
        "data": {},
        "handshake": handshake(core),
        "rooms": rooms.collect::<Vec<_>>(),
    })
}

/// Returns a name of the connection. Its own id is a secret.
fn client_id(core: &SocketCore) -> String {
    let mut hasher = DefaultHasher::new();
    core.connection.sender.id().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn handshake(core: &SocketCore) -> Json {
    let request = core.connection.sender.request();
    let opened = core.connection.opened;
    let issued = opened.duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "address": core.connection.sender.peer().to_string(),
        "headers": headers(&request),
        "query": query(&request),
        "issued": u64::try_from(issued.as_millis()).unwrap_or(u64::MAX),
        "time": timestamp(opened),
        "secure": request.uri().scheme_str() == Some("https"),
        "url": request.uri().path(),
        "xdomain": false,
    })
}

fn headers(request: &Request<()>) -> Map<String, Json> {
    let mut headers = Map::new();
    if let Some(host) = request.uri().authority() {
        headers.insert(HOST.to_string(), host.as_str().into());
    }
    let shown = request.headers().iter();
    let shown = shown.filter(|(name, value)| !SECRET.contains(name) && !value.is_sensitive());
    let mut size = 0;
    for (name, value) in shown {
        size += name.as_str().len() + value.len();
        if size > MAX_HEADERS {
            break;
        }
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.insert(name.to_string(), value.into());
    }
    headers
}

/// Returns the parameters of the protocol. Others may be secrets of the application.
fn query(request: &Request<()>) -> Map<String, Json> {
    let query = request.uri().query().unwrap_or_default().split('&');
    let known = query.filter_map(|parameter| parameter.split_once('='));
    let known = known.filter(|(name, _)| matches!(*name, "EIO" | "transport"));
    known.map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// Returns the time of now, as JavaScript writes it.
pub(super) fn now() -> String {
    timestamp(SystemTime::now())
}

/// Returns a time as JavaScript's `toISOString` writes it.
fn timestamp(time: SystemTime) -> String {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, milliseconds) = (since_1970.as_secs(), since_1970.subsec_millis());
    // Years that begin in March have their leap day at the end. The first of March of the year 0
    // was this many days before 1970.
    let days = seconds / 86_400 + 719_468;
    let (eras, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = eras * 400 + year + next_year;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timestamp_is_the_one_of_javascript() {
        for (milliseconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
            (1_735_689_600_000, "2025-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_millis(milliseconds);
            assert_eq!(timestamp(time), expected);
        }
    }

    #[test]
    fn headers_and_query_have_no_secrets_and_a_bound() {
        let mut request = Request::new(());
        *request.uri_mut() = "/socket.io/?EIO=4&token=a&transport=polling".parse().expect("a URI");
        for (name, value) in [("cookie", "a"), ("authorization", "b"), ("user-agent", "c")] {
            request.headers_mut().insert(name, value.parse().expect("a value"));
        }
        request.headers_mut().insert("x-long", "a".repeat(MAX_HEADERS).parse().expect("a value"));
        assert_eq!(Json::Object(headers(&request)), json!({ "user-agent": "c" }));
        let query = Json::Object(query(&request));
        assert_eq!(query, json!({ "EIO": "4", "transport": "polling" }));
    }
}
