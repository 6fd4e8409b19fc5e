//! Revocation at the provider.

use super::super::*;
use super::{Server, client};
use crate::provider::Kind;
use crate::secret::AccessToken;

#[tokio::test]
async fn the_refresh_token_is_revoked_before_the_access_token() {
    let server = Server::saying("200 OK", "").await;
    let mut provider = server.provider();
    let (access, refresh) = (AccessToken::new("acc"), RefreshToken::new("ref"));
    let nowhere = client().revoke(&provider, &access, Some(&refresh)).await;
    assert_eq!(nowhere, Ok(Revocation::NoEndpoint));
    provider.endpoints.revocation = Some(server.base.join("revoke").unwrap());
    let revoked = client().revoke(&provider, &access, Some(&refresh)).await;
    assert_eq!(revoked, Ok(Revocation::Revoked));
    let requests = server.requests();
    assert!(requests[0].starts_with("POST /revoke "));
    assert!(requests[0].contains("token=ref&token_type_hint=refresh_token&client_id=my+client&"));
    assert!(requests[1].contains("token=acc&token_type_hint=access_token&"));
    assert_eq!(requests.len(), 2);
}

#[tokio::test]
async fn a_slack_grant_is_revoked_with_slacks_own_call() {
    let answers = [
        (r#"{"ok":true,"revoked":true}"#, true),
        (r#"{"ok":false,"error":"token_revoked"}"#, true),
        (r#"{"ok":false,"error":"ratelimited"}"#, false),
    ];
    for (body, is_revoked) in answers {
        let server = Server::saying("200 OK", body).await;
        let mut provider = server.provider();
        provider.kind = Some(Kind::Slack);
        let access = AccessToken::new("xoxb");
        let ended = client().revoke(&provider, &access, None).await;
        assert_eq!(ended == Ok(Revocation::Revoked), is_revoked, "{body}");
        let request = &server.requests()[0];
        assert!(request.starts_with("POST /auth.revoke "));
        assert!(request.contains("Bearer xoxb\r\n"));
        assert!(!request.contains("secret"));
    }
}

#[tokio::test]
async fn a_github_grant_is_revoked_with_githubs_own_call() {
    let server = Server::giving("HTTP/1.1 204 No Content\r\n\r\n").await;
    let provider = server.provider();
    let access = AccessToken::new("gho");
    client()
        .delete_github_grant(&provider, server.base.as_str(), &access)
        .await
        .unwrap();
    let request = &server.requests()[0];
    assert!(request.starts_with("DELETE /applications/my%20client/grant "));
    assert!(request.contains("Basic bXkrY2xpZW50"));
    assert!(request.ends_with(r#"{"access_token":"gho"}"#));
}

#[tokio::test]
async fn an_unknown_token_counts_as_revoked() {
    for (status, body, is_revoked) in [
        ("400 Bad", r#"{"error":"invalid_token"}"#, true),
        ("400 Bad", r#"{"error":"unsupported_token_type"}"#, false),
        ("401 No", r#"{"error":"invalid_client"}"#, false),
        ("503 No", "", false),
    ] {
        let server = Server::saying(status, body).await;
        let mut provider = server.provider();
        provider.kind = Some(Kind::Salesforce);
        let access = AccessToken::new("gone");
        let ended = client().revoke(&provider, &access, None).await;
        assert_eq!(ended == Ok(Revocation::Revoked), is_revoked, "{body}");
        assert!(server.requests()[0].starts_with("POST /revoke "));
    }
}
