//! The question whose account came back, on the terminal of `agent-auth login`:
//! over SSH no browser can show the final page.

use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::stored;
use crate::support::person;
use crate::support::provider::PROVIDER_ID;
use crate::support::stage::Stage;
use crate::support::terminal::{LIMIT, Terminal};

const LOGIN: [&str; 7] = [
    "login",
    PROVIDER_ID,
    "--no-browser",
    "--scope",
    "read",
    "--scope",
    "write",
];

const QUESTION: &str = "Is this the same account as before (work)? [y/N] ";

/// A stage with a stored login that is called `work`; its token.
async fn with_login() -> (Stage, String) {
    let stage = Stage::new().await;
    let token = stage.log_in(json!({})).await;
    let label = json!({"provider_account_label": "work"});
    let metadata = format!("/tokens/{token}/metadata");
    stage.patch(&metadata, label).await.with(200);
    (stage, token)
}

/// A login at a terminal, up to where its address is shown.
async fn begun(stage: &Stage) -> (Terminal, String) {
    let mut terminal = Terminal::run(&stage.home.socket(), &LOGIN);
    terminal.until("Open this address in a browser:\r\n").await;
    let address = terminal.until("\r\n").await.trim().to_owned();
    terminal.until("paste that address here.").await;
    (terminal, address)
}

/// The same, finished with the address that the browser was sent back to.
async fn pasted(stage: &Stage) -> Terminal {
    let (mut terminal, address) = begun(stage).await;
    let back = person::redirect_of(&address).await;
    terminal.type_line(&back);
    terminal.until(QUESTION).await;
    terminal
}

#[tokio::test]
async fn a_yes_after_a_pasted_address_renews_in_place() {
    let (stage, old) = with_login().await;
    let mut terminal = pasted(&stage).await;
    terminal.type_line("maybe");
    terminal.until("Please answer y or n.").await;
    terminal.until(QUESTION).await;
    terminal.type_line("y");
    let (status, shown) = terminal.ended().await;
    assert!(status.success(), "{shown}");
    assert!(shown.contains("The stored login was renewed"), "{shown}");
    assert_eq!(stored(&stage).await, [(old, true)]);
}

#[tokio::test]
async fn enter_alone_leaves_the_login_beside_and_says_how_to_change_that() {
    let (stage, old) = with_login().await;
    let mut terminal = pasted(&stage).await;
    terminal.type_line("");
    let (status, shown) = terminal.ended().await;
    assert!(status.success(), "{shown}");
    let found = stored(&stage).await;
    let (new, _) = &found[0];
    assert_eq!(found[1], (old.clone(), true));
    assert!(shown.contains("beside the earlier one (work)"));
    for command in [
        format!("tokens default {new}"),
        format!("tokens remove {old}"),
    ] {
        assert!(
            shown.contains(&format!("agent-auth {command}\n")),
            "{shown}"
        );
    }
    // The commands do what they say.
    for words in [["default", new.as_str()], ["remove", old.as_str()]] {
        let status = Command::new(env!("CARGO_BIN_EXE_agent-auth"))
            .env("AGENT_AUTH_SOCK", stage.home.socket())
            .arg("tokens")
            .args(words)
            .output()
            .await
            .unwrap();
        assert!(status.status.success(), "{status:?}");
        assert_eq!(stored(&stage).await[0], (new.clone(), true));
    }
    assert_eq!(stored(&stage).await.len(), 1);
}

#[tokio::test]
async fn an_answer_on_the_page_ends_the_question_on_the_terminal() {
    let (stage, old) = with_login().await;
    let (mut terminal, address) = begun(&stage).await;
    let page = person::open(&address).await;
    terminal.until(QUESTION).await;
    super::say_same(&page).await;
    let (status, shown) = terminal.ended().await;
    assert!(status.success(), "{shown}");
    assert!(
        shown.contains("The question was answered on the page."),
        "{shown}"
    );
    assert!(shown.contains("The stored login was renewed"), "{shown}");
    assert_eq!(stored(&stage).await, [(old, true)]);
}

#[tokio::test]
async fn what_was_typed_before_the_question_is_no_answer_to_it() {
    let (stage, old) = with_login().await;
    let words: Vec<_> = LOGIN
        .into_iter()
        .filter(|word| *word != "--no-browser")
        .collect();
    let mut terminal = Terminal::run(&stage.home.socket(), &words);
    terminal
        .until("If it does not, open this address:\r\n")
        .await;
    let address = terminal.until("\r\n").await.trim().to_owned();
    terminal.until("Waiting for the login").await;
    terminal.type_line("y");
    terminal.until("y\r\n").await;
    person::open(&address).await;
    terminal.until(QUESTION).await;
    terminal.type_line("n");
    let (status, shown) = terminal.ended().await;
    assert!(status.success(), "{shown}");
    assert_eq!(stored(&stage).await[1], (old, true));
}

#[tokio::test]
async fn without_a_terminal_a_login_says_that_it_was_stored_beside() {
    let (stage, old) = with_login().await;
    let mut login = Command::new(env!("CARGO_BIN_EXE_agent-auth"))
        .env("AGENT_AUTH_SOCK", stage.home.socket())
        .args(LOGIN)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(login.stdout.take().unwrap()).lines();
    let address = lines.next_line().await.unwrap().unwrap();
    person::open(&address).await;
    let output = timeout(LIMIT, login.wait_with_output()).await;
    let output = output.unwrap().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("[y/N]"), "{said}");
    assert!(
        said.contains("stored beside the earlier one (work)"),
        "{said}"
    );
    assert!(
        said.contains(&format!("agent-auth tokens remove {old}\n")),
        "{said}"
    );
    assert_eq!(stored(&stage).await.len(), 2);
}

#[tokio::test]
async fn a_login_of_another_account_says_so_and_asks_nothing() {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    stage.log_in(json!({})).await;
    let (terminal, address) = begun(&stage).await;
    stage.provider.name_account("bob");
    person::open(&address).await;
    let (status, shown) = terminal.ended().await;
    assert!(status.success(), "{shown}");
    assert!(!shown.contains("[y/N]"), "{shown}");
    assert!(
        shown.contains("stored beside the earlier one (ada"),
        "{shown}"
    );
}
