//! The gate, and the shape of every refusal.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::routing::post;
use core::time::Duration;
use http_body_util::BodyExt;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use lanyard_protocol::control::{Caller, Failure};
use lanyard_protocol::engine::{Engine, Setup};
use lanyard_protocol::people::Seat;
use lanyard_protocol::time::Timestamp;

use super::*;
use crate::ambient::OsRng;
use crate::handle;
use crate::swarm::Streams;
use crate::tasks::Tasks;

/// Every route of the local API, and some that are none.
const ROUTES: [(&str, &str); 46] = [
    ("GET", "/v1/status"),
    ("POST", "/v1/status"),
    ("GET", "/v1/status/"),
    ("GET", "/v1/peers"),
    ("POST", "/v1/init"),
    ("POST", "/v1/join"),
    ("POST", "/v1/invites"),
    ("POST", "/v1/ping"),
    ("POST", "/v1/why"),
    ("GET", "/v1/whois/till"),
    ("POST", "/v1/tickets"),
    ("GET", "/v1/tickets"),
    ("GET", "/v1/tickets/00112233445566778899aabbccddeeff"),
    ("GET", "/v1/certificates"),
    ("POST", "/v1/certificates/renew"),
    ("POST", "/v1/down"),
    ("GET", "/v1/admission"),
    ("PUT", "/v1/admission"),
    ("PUT", "/v1/admission/password"),
    ("GET", "/v1/admission/guids"),
    ("POST", "/v1/admission/guids"),
    ("DELETE", "/v1/admission/guids/00"),
    ("GET", "/v1/requests"),
    ("POST", "/v1/requests/0a1b2c3d"),
    ("POST", "/v1/join/confirm"),
    ("POST", "/v1/requests"),
    ("POST", "/v1/chat"),
    ("POST", "/v1/login"),
    ("POST", "/v1/logout"),
    ("GET", "/v1/whoami"),
    ("GET", "/v1/login"),
    ("GET", "/v1/users"),
    ("POST", "/v1/users"),
    ("GET", "/v1/policy"),
    ("PUT", "/v1/policy"),
    ("POST", "/v1/policy/explain"),
    ("POST", "/v1/tickets/00112233445566778899aabbccddeeff/revoke"),
    ("POST", "/v1/channels"),
    ("POST", "/v1/services"),
    ("DELETE", "/v1/services/db"),
    ("POST", "/v1/forward"),
    ("POST", "/v1/get"),
    ("POST", "/v1/list"),
    ("POST", "/v1/nothing"),
    ("GET", "/"),
    ("GET", "/v1/status/../peers"),
];

/// G1: another uid gets the status, may log in, and gets nothing else, not even whether there is anything else.
#[tokio::test]
async fn anonymous_gets_the_status_and_nothing_else() {
    let (router, tasks) = stopped_node();
    for (method, path) in ROUTES {
        let (status, body) = ask(&router, Some(Caller::Other(Seat::NODE)), method, path, "{}").await;
        let for_all =
            [("GET", "/v1/status"), ("POST", "/v1/login"), ("POST", "/v1/logout"), ("GET", "/v1/whoami")];
        if for_all.contains(&(method, path)) {
            assert_ne!(status, StatusCode::FORBIDDEN, "it passes the gate: {body}");
        } else {
            assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}");
            assert_eq!(body["error"]["code"], "denied", "{method} {path}");
        }
    }
    assert!(!tasks.is_stopping(), "nobody but the owner stops a node");
}

/// G1: a request whose sender is not known is a stranger's.
#[tokio::test]
async fn a_request_of_nobody_is_a_strangers() {
    let (router, _) = stopped_node();
    let (status, _) = ask(&router, None, "GET", "/v1/peers", "").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

/// G1: no header makes an owner.
#[test]
fn the_uid_decides_who_asks() {
    let seat = |uid| Seat { uid, session: 1 };
    assert!(seat::caller(seat(1000), 1000).is_owner());
    for uid in [0, 999, 1001, u32::MAX] {
        assert!(!seat::caller(seat(uid), 1000).is_owner(), "{uid}");
    }
}

#[tokio::test]
async fn a_stopped_node_says_so() {
    let (router, _) = stopped_node();
    for (method, path, body) in [
        ("GET", "/v1/status", ""),
        ("GET", "/v1/peers", ""),
        ("POST", "/v1/ping", r#"{"peer":"till"}"#),
        ("POST", "/v1/join", r#"{"invite":null,"name":"till","network":null}"#),
        ("PUT", "/v1/admission", r#"{"admission":"open"}"#),
        ("PUT", "/v1/admission/password", r#"{"password":"four words and more"}"#),
        ("GET", "/v1/requests", ""),
        ("POST", "/v1/requests/0a1b2c3d", r#"{"approve":true}"#),
        ("POST", "/v1/join/confirm", r#"{"accept":true}"#),
        ("GET", "/v1/tickets/00112233445566778899aabbccddeeff", ""),
    ] {
        let (status, body) = ask(&router, Some(Caller::NODE), method, path, body).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{method} {path}");
        assert_eq!(body["error"]["message"], "the node is stopping");
        assert!(body["error"]["remedy"].is_string());
    }
}

#[tokio::test]
async fn every_refusal_has_the_same_shape() {
    let (router, _) = stopped_node();
    let long = "x".repeat(64 * 1024 + 1);
    for (method, path, body, expected) in [
        ("GET", "/v1/nothing", "", "not_found"),
        ("DELETE", "/v1/peers", "", "not_found"),
        ("POST", "/v1/ping", "{}", "usage"),
        ("POST", "/v1/ping", "no json", "usage"),
        ("POST", "/v1/ping", r#"{"peer":"A B"}"#, "usage"),
        ("POST", "/v1/ping", long.as_str(), "usage"),
        ("GET", "/v1/whois/A%20B", "", "usage"),
        ("PUT", "/v1/admission", r#"{"admission":"wep"}"#, "usage"),
        ("PUT", "/v1/admission", "{}", "usage"),
        ("PUT", "/v1/admission/password", r#"{"password":" "}"#, "usage"),
        ("PUT", "/v1/admission/password", long.as_str(), "usage"),
        ("POST", "/v1/admission/guids", r#"{"guid":"00"}"#, "usage"),
        ("DELETE", "/v1/admission/guids/00", "", "usage"),
        ("POST", "/v1/requests/0a1b2c3d", "{}", "usage"),
        ("POST", "/v1/join/confirm", "{}", "usage"),
        ("DELETE", "/v1/admission/password", "", "not_found"),
    ] {
        let (_, body) = ask(&router, Some(Caller::NODE), method, path, body).await;
        assert_eq!(body["error"]["code"], expected, "{method} {path}");
    }
}

/// R-L2: a person may take longer to decide than any request may take.
#[tokio::test]
async fn a_join_waits_longer_than_a_request_may_take() {
    let engine = Engine::new(Setup::default(), Timestamp::from_secs(1), Box::new(OsRng)).unwrap();
    let (handle, _silent) = handle::handle(engine.snapshot(), Streams::default());
    let router = router(handle, Tasks::default(), Duration::from_millis(10), Router::new());
    let join = r#"{"invite":null,"name":"till","network":null}"#;
    tokio::select! {
        biased;
        (status, _) = ask(&router, Some(Caller::NODE), "POST", "/v1/join", join) => panic!("{status}"),
        (status, _) = ask(&router, Some(Caller::NODE), "GET", "/v1/peers", "") => {
            assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
        }
    }
}

#[tokio::test]
async fn down_answers_and_stops() {
    let (router, tasks) = stopped_node();
    let (status, _) = ask(&router, Some(Caller::NODE), "POST", "/v1/down", "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(tasks.is_stopping());
}

/// The routes of a node whose loop has ended, with a tool beside them.
fn stopped_node() -> (Router, Tasks) {
    let setup = Setup::default();
    let engine = Engine::new(setup, Timestamp::from_secs(1), Box::new(OsRng)).unwrap();
    let (handle, ends) = handle::handle(engine.snapshot(), Streams::default());
    drop(ends);
    let tasks = Tasks::default();
    let tools = Router::new().route("/v1/chat", post(|| async { "sent" }));
    (router(handle, tasks.clone(), Duration::from_secs(5), tools), tasks)
}

async fn ask(
    router: &Router,
    caller: Option<Caller>,
    method: &str,
    path: &str,
    body: &str,
) -> (StatusCode, serde_json::Value) {
    let mut request = Request::builder()
        .method(method.parse::<Method>().unwrap())
        .uri(path)
        .header("content-type", "application/json")
        .header("x-lanyard-caller", "owner")
        .body(Body::from(body.to_owned()))
        .unwrap();
    if let Some(caller) = caller {
        request.extensions_mut().insert(Ok::<_, Failure>(caller));
    }
    let response = TowerToHyperService::new(router.clone()).call(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}
