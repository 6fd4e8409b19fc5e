//! A daemon, a strict provider registered with it, and calls in plain JSON:
//! what a test of one operation needs.

use std::path::Path;
use std::sync::Arc;

use agent_authd::client::send;
use agent_authd::clock::Env;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use serde_json::{Value, json};

use super::clock::TestClock;
use super::daemon::{Home, InProcess};
use super::person;
use super::provider::{PROVIDER_ID, Provider, Rotation};

/// The stage of one test.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) home: Home,
    pub(crate) provider: Provider,
    pub(crate) daemon: InProcess,
}

/// An answer: its status and its JSON, null where there is no body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In how many seconds to come again, where it says so.
    pub(crate) retry_after: Option<u64>,
    pub(crate) json: Value,
}

impl Answer {
    /// Its JSON, if its status is as expected.
    #[track_caller]
    pub(crate) fn with(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.json);
        self.json
    }
}

impl Stage {
    /// One with a provider that is registered.
    pub(crate) async fn new() -> Self {
        Self::with_settings("").await
    }

    /// One whose daemon has these settings.
    pub(crate) async fn with_settings(lines: &str) -> Self {
        Self::at(Home::with_settings(lines)).await
    }

    /// One at a home that was prepared.
    pub(crate) async fn at(home: Home) -> Self {
        Self::start(home, Env::system()).await
    }

    /// One whose daemon lives by the test's clock.
    pub(crate) async fn with_clock(clock: &Arc<TestClock>) -> Self {
        Self::start(Home::new(), clock.env()).await
    }

    async fn start(home: Home, env: Env) -> Self {
        let provider = Provider::start(Rotation::Strict, 3600);
        let daemon = InProcess::start(&home, env).await;
        let registration = provider.registration();
        daemon
            .client()
            .create_provider(&registration)
            .await
            .unwrap();
        Self {
            home,
            provider,
            daemon,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        call(&self.home, method, path, body).await
    }

    /// Asks for a token of the strict provider with the scope `read`, and
    /// with what `changes` says.
    pub(crate) async fn authenticate(&self, changes: Value) -> Value {
        let mut body = json!({"provider": PROVIDER_ID, "scopes": ["read"]});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.post("/authenticate", body).await.with(200)
    }

    /// The same, and a person who logs in where that is asked for; the token's
    /// identifier.
    pub(crate) async fn log_in(&self, changes: Value) -> String {
        let asked = self.authenticate(changes).await;
        assert_eq!(asked["status"], "pending", "{asked}");
        let page = person::open(asked["url"].as_str().unwrap()).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let ended = self.wait(&asked).await;
        text(&ended["metadata"]["token_id"])
    }

    /// How the flow that an answer named stands, without waiting for it.
    pub(crate) async fn wait(&self, asked: &Value) -> Value {
        let flow = asked["auth_id"].as_str().unwrap();
        let path = format!("/wait/{flow}?timeout=0");
        self.get(&path).await.with(200)
    }

    /// Stores a token; its identifier.
    pub(crate) async fn import(&self, changes: Value) -> String {
        let mut body = json!({
            "provider_id": PROVIDER_ID, "access_token": "canary-imported", "scopes": ["read"],
        });
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        text(&self.post("/tokens/import", body).await.with(200)["token_id"])
    }

    /// The events so far, oldest first, as `type reason source agent`.
    pub(crate) async fn events(&self) -> Vec<String> {
        let events = self.get("/token-events?limit=200").await.with(200);
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let line = |event: &Value| {
            ["event_type", "reason", "source", "agent_id"]
                .map(|name| word(&event[name]))
                .join(" ")
        };
        events.as_array().unwrap().iter().rev().map(line).collect()
    }
}

/// A JSON string's text.
#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned()
}

/// One call to the daemon at `home` with a body, whichever it is.
pub(crate) async fn post(home: &Home, path: &str, body: Value) -> Answer {
    call(home, Method::POST, path, Some(body)).await
}

/// One call to the daemon at `home`, whichever it is.
pub(crate) async fn get(home: &Home, path: &str) -> Answer {
    call(home, Method::GET, path, None).await
}

/// Deletes something at the daemon of `socket`; `None` if the connection
/// breaks before the answer.
pub(crate) async fn try_delete(socket: &Path, path: &str) -> Option<u16> {
    let answer = send(socket, request(Method::DELETE, path, None)).await;
    answer.ok().map(|answer| answer.status().as_u16())
}

/// Posts something to the daemon of `socket`; `None` if the connection breaks
/// before the answer.
pub(crate) async fn try_post(socket: &Path, path: &str, body: Value) -> Option<u16> {
    let answer = send(socket, request(Method::POST, path, Some(body))).await;
    answer.ok().map(|answer| answer.status().as_u16())
}

async fn call(home: &Home, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = request(method, path, body);
    let answer = send(&home.socket(), request).await.unwrap();
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get("retry-after");
    let retry_after = retry_after.map(|value| value.to_str().unwrap().parse().unwrap());
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    let json = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes).unwrap()
    };
    Answer {
        status,
        retry_after,
        json,
    }
}

fn request(method: Method, path: &str, body: Option<Value>) -> Request<Full<Bytes>> {
    let body = body.map_or_else(String::new, |body| body.to_string());
    Request::builder()
        .method(method)
        .uri(format!("/v2/auth{path}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}
