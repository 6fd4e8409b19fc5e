//! Limits on the resources of one caller.

use std::time::Duration;

use agent_authd::client::Client;
use agent_authd::identity::FlowId;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::support::person;
use crate::support::stage::Stage;

#[tokio::test]
async fn a_waiter_within_the_limit_gets_the_token_of_its_flow() {
    let stage = Stage::with_settings("max_waiters = 1\n").await;
    let login = stage.authenticate(json!({})).await;
    let client = Client::new(stage.home.socket());
    let flow = FlowId::parse(login["auth_id"].as_str().unwrap()).unwrap();
    let path = format!("/wait/{flow}?timeout=0");
    let waiting = tokio::spawn(async move { client.wait(flow, Duration::from_secs(30)).await });
    while stage.get(&path).await.status != 429 {
        tokio::task::yield_now().await;
    }
    person::open(login["url"].as_str().unwrap()).await;
    assert!(waiting.await.unwrap().unwrap().token.is_some());
}

#[tokio::test]
async fn a_browser_gets_a_page_while_the_exchange_continues() {
    let stage = Stage::new().await;
    let login = stage.authenticate(json!({})).await;
    // Longer than a browser waits for the exchange.
    stage.provider.answer_late(Duration::from_millis(2400));
    let page = person::open(login["url"].as_str().unwrap()).await;
    assert!(page.body.contains("Finishing the login"), "{}", page.body);
    assert!(
        page.body.contains(r#"http-equiv="refresh""#),
        "{}",
        page.body
    );
    let flow = FlowId::parse(login["auth_id"].as_str().unwrap()).unwrap();
    let client = stage.daemon.client();
    let ended = client.wait(flow, Duration::from_secs(30)).await.unwrap();
    assert!(ended.token.is_some());
    let page = person::open(page.address.as_str()).await;
    assert!(page.body.contains("You are connected"), "{}", page.body);
}

#[tokio::test]
async fn a_long_list_is_sent_in_parts_and_complete() {
    let stage = Stage::new().await;
    let scopes: Vec<_> = (0..90).map(|n| format!("{n:079}")).collect();
    let mut stored = Vec::new();
    for number in 0..20 {
        let access_token = format!("canary-access-{number}");
        let token = json!({ "access_token": access_token, "scopes": scopes });
        stored.push(stage.import(token).await);
    }
    stored.reverse();
    let mut stream = UnixStream::connect(stage.home.socket()).await.unwrap();
    let list = "GET /v2/auth/tokens HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(list.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("transfer-encoding: chunked"),
        "{}",
        &answer[..200]
    );
    let tokens = stage.daemon.client().tokens(None).await.unwrap();
    let listed: Vec<_> = tokens.iter().map(|token| token.id.clone()).collect();
    assert_eq!(listed, stored);
    assert!(tokens.iter().all(|token| token.scopes.iter().count() == 90));
}

#[tokio::test]
async fn unread_replies_are_limited() {
    let stage = Stage::new().await;
    let uris: Vec<_> = (0..28)
        .map(|n| format!("https://example.com/{n:02000}"))
        .collect();
    for number in 0..20 {
        let provider = json!({
            "provider_id": format!("p{number}"), "name": "P", "client_id": "c",
            "auth_url": "https://example.com/a", "token_url": "https://example.com/t",
            "allowed_redirect_uris": uris,
        });
        stage.post("/providers", provider).await.with(200);
    }
    let list = "GET /v2/auth/providers HTTP/1.1\r\nHost: x\r\n\r\n";
    let ask = async || {
        let mut stream = UnixStream::connect(stage.home.socket()).await.unwrap();
        stream.write_all(list.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        (stream, String::from_utf8(status.to_vec()).unwrap())
    };
    let mut unread = Vec::new();
    let refused = loop {
        let (stream, status) = ask().await;
        if status != "HTTP/1.1 200" {
            break status;
        }
        unread.push(stream);
        assert!(unread.len() < 40, "there is no limit");
    };
    assert_eq!(refused, "HTTP/1.1 429");
    // Small replies are still sent, and the others once the budget has room.
    stage.get("/tokens").await.with(200);
    drop(unread);
    while ask().await.1 != "HTTP/1.1 200" {
        tokio::task::yield_now().await;
    }
}
