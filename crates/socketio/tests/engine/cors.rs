use fullduplex::server::policy::OriginPolicy;
use fullduplex_socketio::engine::{Engine, EngineConfig};
use http::Request;
use http_body_util::Full;

use crate::client::{Answer, Polling, send};
use crate::echo;

async fn ask(engine: &Engine, method: &str, query: &str, origin: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(format!("/engine.io/?{query}"))
        .header("host", "a.example")
        .header("origin", origin);
    send(engine, request.body(Full::default()).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn origin_is_held_against_the_policy_by_every_method() {
    let (engine, _ends) = echo(EngineConfig::default());
    let session = Polling::open(&engine).await;
    for method in ["GET", "POST", "OPTIONS", "PUT", "HEAD"] {
        for query in ["EIO=4&transport=polling".to_owned(), session.query()] {
            for origin in ["https://evil.example", "null", "https://a.example:444"] {
                let answer = ask(&engine, method, &query, origin).await;
                let expected = (403, r#"{"code":4,"message":"Forbidden"}"#);
                assert_eq!(answer.brief(), expected, "{method} {query} {origin}");
                assert!(!answer.headers.contains_key("access-control-allow-origin"));
            }
        }
    }
    assert_eq!(engine.session_count(), 1);
    let same = ask(&engine, "GET", "EIO=4&transport=polling", "https://a.example").await;
    assert_eq!(same.status, 200);
    // The session was not disturbed.
    assert_eq!(session.post("4a").await.status, 200);
    assert_eq!(session.poll().await.content, "4a");
}

#[tokio::test(start_paused = true)]
async fn cors_of_a_listed_origin_has_credentials() {
    let policy = OriginPolicy::list(["https://b.example"]).unwrap();
    let (engine, _ends) = echo(EngineConfig::default().origin_policy(policy));
    let query = "EIO=4&transport=polling";
    for (method, query, status) in [("GET", query, 200), ("OPTIONS", query, 204), ("GET", "", 400)]
    {
        let answer = ask(&engine, method, query, "https://b.example").await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers["access-control-allow-origin"], "https://b.example");
        assert_eq!(answer.headers["access-control-allow-credentials"], "true");
        assert_eq!(answer.headers["vary"], "origin");
    }
    let preflight = ask(&engine, "OPTIONS", query, "https://b.example").await;
    assert_eq!(preflight.headers["access-control-allow-methods"], "GET, POST, OPTIONS");
    assert_eq!(ask(&engine, "OPTIONS", query, "https://a.example").await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn cors_of_any_origin_has_no_credentials() {
    let config = EngineConfig::default().origin_policy(OriginPolicy::DangerousAny);
    let (engine, _ends) = echo(config);
    let answer = ask(&engine, "GET", "EIO=4&transport=polling", "https://b.example").await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
}
