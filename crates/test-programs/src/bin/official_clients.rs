//! The server that the official clients' own tests ask for, on our API.
//!
//! `official_clients ENGINEIO-ADDRESS SOCKETIO-ADDRESS` does what `test/support` of
//! engine.io-client and of socket.io-client does, and serves until it is killed. What a test has in
//! common with its server is in those files: the events, the time of a ping, the largest payload.

#![allow(clippy::print_stdout, reason = "its output is for the tests")]

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use fullduplex::KeepaliveConfig;
use fullduplex::server::policy::OriginPolicy;
use fullduplex::server::{Handshake, Server};
use fullduplex_socketio::engine::{Data, Engine, EngineConfig, Outgoing, Session};
use fullduplex_socketio::{
    Binary, ConnectError, ConnectRequest, Event, Recovery, Socket, SocketIo, Value,
};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use tower_service::Service;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut address = || args.next().ok_or("official_clients ENGINEIO-ADDRESS SOCKETIO-ADDRESS");
    let (engineio, socketio) = (address()?, address()?);
    let cookies = Cookies::default();
    let (engine, io) = (engineio_server(cookies.clone())?, socketio_server()?);
    let (engineio, socketio) = (Server::bind(&*engineio).await?, Server::bind(&*socketio).await?);
    println!("listening");
    tokio::try_join!(
        serve(engineio, engine, Some(cookies), Duration::ZERO),
        // The client's time-out has to have a chance.
        serve(socketio, io.engine().clone(), None, Duration::from_millis(10)),
    )?;
    Ok(())
}

async fn serve(
    server: Server,
    engine: Engine,
    cookies: Option<Cookies>,
    delay: Duration,
) -> Result<(), fullduplex::Error> {
    let around = Around { inner: engine.service(), cookies, delay };
    server
        .origin_policy(OriginPolicy::DangerousAny)
        .max_message_size(engine.config().max_payload as u64)
        .keepalive(KeepaliveConfig::default().interval(None))
        .service(around)
        .serve_handshakes(move |handshake: Handshake| {
            let engine = engine.clone();
            async move {
                if opens(handshake.request().uri()) {
                    tokio::time::sleep(delay).await;
                }
                if is_denied(handshake.request().uri()) {
                    let mut forbidden = Response::new(Vec::new());
                    *forbidden.status_mut() = StatusCode::FORBIDDEN;
                    return handshake.respond(forbidden).await;
                }
                match engine.handle(handshake).await {
                    Ok(ended) => ended,
                    Err(other) => other.respond(Response::new(Vec::new())).await,
                }
            }
        })
        .await
}

/// Whether a request opens a session.
fn opens(uri: &Uri) -> bool {
    !query(uri.query().unwrap_or_default()).contains_key("sid")
}

fn is_denied(uri: &Uri) -> bool {
    query(uri.query().unwrap_or_default()).contains_key("deny")
}

/// The service of an engine, and what its tests ask for besides.
#[derive(Clone)]
struct Around<S> {
    inner: S,
    cookies: Option<Cookies>,
    delay: Duration,
}

impl<S, B, R> Service<Request<B>> for Around<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Self { mut inner, cookies, delay } = self.clone();
        let opens = opens(request.uri());
        let query = query(request.uri().query().unwrap_or_default());
        if is_denied(request.uri()) {
            *request.uri_mut() = Uri::from_static("/denied");
        }
        let cookie = request.headers().get(COOKIE).and_then(|cookie| cookie.to_str().ok());
        if let (Some(cookies), &Method::POST, Some(sid), Some(cookie)) =
            (&cookies, request.method(), query.get("sid"), cookie)
        {
            let mut cookies = cookies.lock().unwrap_or_else(PoisonError::into_inner);
            cookies.insert(sid.clone(), cookie.to_owned());
        }
        let sets_cookies = cookies.is_some() && opens;
        Box::pin(async move {
            if opens {
                tokio::time::sleep(delay).await;
            }
            let mut response = inner.call(request).await?;
            for cookie in COOKIES.iter().filter(|_| sets_cookies) {
                response.headers_mut().append(SET_COOKIE, HeaderValue::from_static(cookie));
            }
            Ok(response)
        })
    }
}

// ----- engine.io-client -----

/// The cookie of the last POST of each session.
type Cookies = Arc<Mutex<HashMap<String, String>>>;

fn engineio_server(cookies: Cookies) -> Result<Engine, Box<dyn Error>> {
    let config = EngineConfig::default()
        .ping_interval(Duration::from_millis(500))
        .max_payload(100)
        .origin_policy(OriginPolicy::DangerousAny);
    Ok(Engine::new(config, move |session| bounce(session, cookies.clone()))?)
}

async fn bounce(mut session: Session, cookies: Cookies) {
    let _ = session.sender().send(&Outgoing::text("hi"));
    while let Some(data) = session.recv().await {
        let message = match data {
            Data::Text(text) => match text.as_str() {
                "give binary" => Outgoing::binary(vec![0, 1, 2, 3, 4]),
                "give utf8" => Outgoing::text("пойду спать всем спокойной ночи"),
                "sendHeaders" => {
                    let cookies = cookies.lock().unwrap_or_else(PoisonError::into_inner);
                    Outgoing::text(&match cookies.get(&session.id().to_string()) {
                        Some(cookie) => format!(r#"{{"cookie":"{cookie}"}}"#),
                        None => "{}".to_owned(),
                    })
                }
                text => Outgoing::text(text),
            },
            Data::Binary(bytes) => Outgoing::binary(bytes),
        };
        let _ = session.sender().send(&message);
    }
}

/// What a new session sets, of which the client has to send the first two only.
const COOKIES: [&str; 4] = [
    "1=1; Max-Age=86400",
    "2=2; Path=/; HttpOnly; Secure; SameSite=Strict",
    "3=3; Max-Age=0",
    "4=4; Expires=Thu, 01 Jan 2026 00:00:00 GMT",
];

/// Returns the parameters of a query, decoded.
fn query(text: &str) -> HashMap<String, String> {
    let decode = |text: &str| {
        let (mut bytes, mut rest) = (Vec::new(), text.bytes());
        while let Some(byte) = rest.next() {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            bytes.push(match byte {
                b'%' => match (digit(), digit()) {
                    (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or(b'?'),
                    _ => b'?',
                },
                b'+' => b' ',
                byte => byte,
            });
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

// ----- socket.io-client -----

/// What a client said of itself.
struct User {
    handshake: Value,
}

fn user(request: &ConnectRequest) -> Result<User, ConnectError> {
    let query = query(request.http().uri().query().unwrap_or_default());
    let query = query.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let handshake = Value::Object(vec![
        ("query".to_owned(), Value::Object(query)),
        ("auth".to_owned(), request.auth()?),
    ]);
    Ok(User { handshake })
}

fn socketio_server() -> Result<SocketIo, Box<dyn Error>> {
    let engine = EngineConfig::default()
        .path("/socket.io/")
        .ping_interval(Duration::from_secs(2))
        .origin_policy(OriginPolicy::DangerousAny);
    let recovery = Recovery::within(Duration::from_secs(120));
    let io = SocketIo::builder().engine(engine).recovery(recovery).build()?;
    define_main(&io);
    io.of("/foo").on("getId", async |socket: Socket, (): ()| socket.id().to_string()).open();
    for name in ["/timeout_socket", "/valid", "/asd"] {
        io.of(name).open();
    }
    io.of("/abc")
        .authenticate(async |request: ConnectRequest| user(&request))
        .connected(async |socket: Socket<User>| {
            socket.emit("handshake", &socket.user().handshake).await;
        })
        .open();
    io.of("/no")
        .middleware(async |_: ConnectRequest| {
            Err(ConnectError::new("Auth failed (custom namespace)"))
        })
        .open();
    Ok(io)
}

fn define_main(io: &SocketIo) {
    io.of("/")
        .authenticate(async |request: ConnectRequest| {
            let uri = request.http().uri();
            if query(uri.query().unwrap_or_default()).contains_key("fail") {
                return Err(ConnectError::new("Auth failed (main namespace)"));
            }
            user(&request)
        })
        .on("hi", async |socket: Socket<User>, (): ()| socket.emit("hi", ()).await.is_accepted())
        .on("echo", async |_: Socket<User>, value: Value| value)
        // This event is not acknowledged, as a test waits for that.
        .on_any(async |socket: Socket<User>, event: Event| {
            if event.name() == "ack" {
                tokio::spawn(ask(socket));
            }
        })
        .on("getAckDate", async |_: Socket<User>, _: Value| date())
        .on("getDate", async |socket: Socket<User>, (): ()| {
            socket.emit("takeDate", date()).await;
        })
        .on("getDateObj", async |socket: Socket<User>, (): ()| {
            let object = Value::Object(vec![("date".to_owned(), date())]);
            socket.emit("takeDateObj", object).await;
        })
        .on("getUtf8", async |socket: Socket<User>, (): ()| {
            for text in ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"]
            {
                socket.emit("takeUtf8", text).await;
            }
        })
        .on("false", async |socket: Socket<User>, (): ()| {
            socket.emit("false", false).await;
        })
        .on("doge", async |socket: Socket<User>, (): ()| {
            socket.emit("doge", Binary::from(&b"asdfasdf"[..])).await;
        })
        .on("getbin", async |socket: Socket<User>, (): ()| {
            socket.emit("takebin", Binary::from(&b"asdfasdf"[..])).await;
        })
        .on("buffa", async |socket: Socket<User>, _: Binary| {
            socket.emit("buffack", ()).await;
        })
        .on("jsonbuff", async |socket: Socket<User>, value: Value| {
            if has_bytes(&value) {
                socket.emit("jsonbuff-ack", ()).await;
            }
        })
        .on("abuff1", async |socket: Socket<User>, _: Binary| {
            socket.join("has abuff1").is_in_room()
        })
        .on("abuff2", async |socket: Socket<User>, _: Value| {
            if socket.rooms().iter().any(|room| **room == *"has abuff1") {
                socket.emit("abuff2-ack", ()).await;
            }
        })
        .on("getHandshake", async |socket: Socket<User>, (): ()| socket.user().handshake.clone())
        .on("getId", async |socket: Socket<User>, (): ()| socket.id().to_string())
        .open();
}

/// Asks the client for an acknowledgement, and tells it if that is right.
async fn ask(socket: Socket<User>) {
    let Ok((five, object)) = socket.emit_with_ack::<(u64, Value)>("ack", ()).await else { return };
    if five == 5 && object.get("test").is_some_and(|test| *test == Value::Bool(true)) {
        socket.emit("got it", ()).await;
    }
}

fn has_bytes(value: &Value) -> bool {
    value.get("hello").and_then(Value::as_str) == Some("lol")
        && matches!(value.get("message"), Some(Value::Bytes(_)))
        && value.get("goodbye").and_then(Value::as_str) == Some("gotcha")
}

/// A date, as JSON has none of its own.
fn date() -> Value {
    Value::String("2026-01-01T00:00:00.000Z".to_owned())
}
