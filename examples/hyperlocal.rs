//! A client made of stock parts: hyper's client over a Unix socket, by the crate
//! `hyperlocal`, and nothing of this crate.
//!
//! `cargo run --example hyperlocal -- SOCKET PROVIDER [SCOPE …]`
//!
//! It prints an access token, or the address at which a person must log in.

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::error::Error;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyperlocal::{UnixClientExt as _, UnixConnector};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [socket, provider, scopes @ ..] = arguments.as_slice() else {
        return Err("usage: hyperlocal SOCKET PROVIDER [SCOPE …]".into());
    };
    let client: Client<UnixConnector, Full<Bytes>> = Client::unix();
    let wanted = json!({"provider": provider, "scopes": scopes});
    let request = Request::post(hyperlocal::Uri::new(socket, "/v2/auth/authenticate"))
        .header("content-type", "application/json")
        .body(Full::from(wanted.to_string()))?;

    let response = client.request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    let answer: Value = serde_json::from_slice(&body)?;
    match (answer["token"].as_str(), answer["url"].as_str()) {
        (Some(token), _) => println!("{token}"),
        (None, Some(url)) => println!("log in at {url}"),
        (None, None) => return Err(format!("{status}: {}", answer["detail"]).into()),
    }
    Ok(())
}
