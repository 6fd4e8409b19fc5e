//! Tables of unusual replies with the result for each.

use std::time::Duration;

use oauth2::http::StatusCode;
use serde_json::json;

use super::super::redact::Redactor;
use super::*;
use crate::clock::Timestamp;

fn answered(quirks: &Quirks, status: u16, body: &str) -> Result<Value, Error> {
    let context = ReplyContext {
        quirks,
        redactor: &Redactor::default(),
        received_at: Timestamp::from_millis(0),
    };
    let mut reply = Response::new(body.as_bytes().to_vec());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    let hint = "Thu, 01 Jan 1970 00:01:30 GMT".parse().unwrap();
    reply.headers_mut().insert(header::RETRY_AFTER, hint);
    let conforming = normalize(reply, &context).map_err(|unusable| unusable.error)?;
    assert_eq!(conforming.status(), StatusCode::OK);
    Ok(serde_json::from_slice(conforming.body()).unwrap())
}

fn slack() -> Quirks {
    Quirks {
        nested_grant: Some("authed_user"),
        grant_ending_errors: &[("token_revoked", "")],
        ..Quirks::NONE
    }
}

#[test]
fn unusual_grants_are_normalized() {
    let plain = json!({"access_token": "a", "token_type": "bearer"});
    let hour = json!({"access_token": "a", "token_type": "bearer", "expires_in": 3600});
    let scoped = json!({"access_token": "a", "token_type": "bearer", "scope": "r w"});
    for (status, body, expected) in [
        (200, "access_token=a&token_type=bearer&scope=", &plain),
        (200, "access_token=a&scope=w%2Cr&token_type=bearer", &scoped),
        (200, "access_token=a&expires_in=3600", &hour),
        (201, r#"{"access_token":"a","token_type":"bearer"}"#, &plain),
        (200, "\u{feff}\n{\"access_token\":\"a\"}", &plain),
        (200, r#"{"access_token":"a","token_type":null}"#, &plain),
        (200, r#"{"access_token":"a","expires_in":"3600"}"#, &hour),
        (200, r#"{"access_token":"a","expires_in":3600.9}"#, &hour),
        (
            200,
            r#"{"access_token":"a","expires_in":" 3600.0 "}"#,
            &hour,
        ),
        (200, r#"{"access_token":"a","expires_in":0}"#, &plain),
        (200, r#"{"access_token":"a","expires_in":"0"}"#, &plain),
        (200, r#"{"access_token":"a","expires_in":-1}"#, &plain),
        (200, r#"{"access_token":"a","expires_in":"never"}"#, &plain),
        (200, r#"{"access_token":"a","expires_in":"inf"}"#, &plain),
        (200, r#"{"access_token":"a","expires_in":[1]}"#, &plain),
        (200, r#"{"access_token":"a","scope":"w,r"}"#, &scoped),
        (200, r#"{"access_token":"a","scope":"w, r"}"#, &scoped),
        (200, r#"{"access_token":"a","scope":["w","r"]}"#, &scoped),
        (200, r#"{"access_token":"a","scope":null}"#, &plain),
        (200, r#"{"access_token":"a","scope":[]}"#, &plain),
        (200, r#"{"access_token":"a","refresh_token":null}"#, &plain),
        (200, r#"{"access_token":"a","refresh_token":""}"#, &plain),
    ] {
        let conforming = answered(&Quirks::NONE, status, body);
        assert_eq!(conforming.as_ref(), Ok(expected), "{body}");
    }
    let wrong_case = answered(
        &Quirks::NONE,
        200,
        r#"{"access_token":"a","token_type":"BEARER","expires_in":1e300,"error":null}"#,
    );
    assert_eq!(wrong_case.unwrap()["expires_in"], json!(u64::MAX));
}

#[test]
fn slack_tokens_are_found_at_the_top_level_or_nested() {
    let bot = r#"{"ok":true,"access_token":"xoxb","token_type":"bot",
        "authed_user":{"id":"U1","access_token":"xoxp"}}"#;
    let user = r#"{"ok":true,"authed_user":{"id":"U1","access_token":"xoxp",
        "token_type":"user","scope":"a,b","refresh_token":"xoxe","expires_in":43200}}"#;
    let bot = answered(&slack(), 200, bot).unwrap();
    assert_eq!(bot["access_token"], "xoxb");
    assert_eq!(bot["token_type"], "bearer");
    let user = answered(&slack(), 200, user).unwrap();
    assert_eq!(
        user,
        json!({"ok": true, "authed_user": {"id": "U1"}, "access_token": "xoxp",
            "token_type": "bearer", "scope": "a b", "refresh_token": "xoxe",
            "expires_in": 43200})
    );
}

#[test]
fn a_missing_lifetime_is_the_providers_default() {
    let salesforce = Quirks {
        default_expires_in: Some(Duration::from_secs(7200)),
        ..Quirks::NONE
    };
    let reply = answered(&salesforce, 200, r#"{"access_token":"a"}"#);
    assert_eq!(reply.unwrap()["expires_in"], 7200);
}

#[test]
fn errors_that_end_a_grant_are_recognized_by_code() {
    let plain = Quirks::NONE;
    let hubspot = Quirks {
        error_member: Some("status"),
        grant_ending_errors: &[("BAD_REFRESH_TOKEN", "")],
        ..plain
    };
    let atlassian = Quirks {
        grant_ending_errors: &[("unauthorized_client", "refresh_token is invalid")],
        ..plain
    };
    for (quirks, status, body) in [
        (plain, 400, r#"{"error":"invalid_grant"}"#),
        (plain, 403, r#"{"error":"invalid_grant"}"#),
        (plain, 500, r#"{"error":"INVALID_GRANT"}"#),
        (plain, 200, r#"{"error":"invalid_grant"}"#),
        (plain, 400, "error=invalid_grant&error_description=gone"),
        (slack(), 200, r#"{"ok":false,"error":"token_revoked"}"#),
        (
            hubspot,
            400,
            r#"{"status":"BAD_REFRESH_TOKEN","message":"m"}"#,
        ),
        (
            atlassian,
            403,
            r#"{"error":"unauthorized_client","error_description":"refresh_token is invalid"}"#,
        ),
    ] {
        let error = answered(&quirks, status, body).unwrap_err();
        assert!(
            matches!(error, Error::InvalidGrant { .. }),
            "{body}: {error:?}"
        );
    }
}

#[test]
fn only_two_codes_reject_the_client() {
    for (status, code) in [
        (401, "invalid_client"),
        (400, "unauthorized_client"),
        (200, "INVALID_CLIENT"),
        (503, "invalid_client"),
    ] {
        let body = format!(r#"{{"error":"{code}"}}"#);
        let error = answered(&Quirks::NONE, status, &body).unwrap_err();
        assert!(
            matches!(&error, Error::ClientRejected { code: found, .. } if found == code),
            "{body}: {error:?}"
        );
    }
}

#[test]
fn every_other_code_rejects_one_request() {
    for (status, body, code) in [
        (503, r#"{"error":"invalid_scope"}"#, "invalid_scope"),
        (
            400,
            r#"{"error":"interaction_required"}"#,
            "interaction_required",
        ),
        (400, r#"{"error":"consent_required"}"#, "consent_required"),
        (200, "error=redirect_uri_mismatch", "redirect_uri_mismatch"),
        (200, r#"{"ok":false}"#, "not_ok"),
        (401, "", "unauthorized"),
        (
            400,
            r#"{"error":{"message":"m","type":"OAuthException","code":100}}"#,
            "OAuthException",
        ),
        (400, r#"{"error":"token_revoked"}"#, "token_revoked"),
    ] {
        let error = answered(&Quirks::NONE, status, body).unwrap_err();
        let Error::Refused { code: found, .. } = &error else {
            panic!("{body}: {error:?}");
        };
        assert_eq!(found, code);
    }
    let described = r#"{"error":{"message":"m","type":"t"}}"#;
    assert_eq!(
        answered(&Quirks::NONE, 400, described).unwrap_err(),
        Error::Refused {
            code: "t".into(),
            description: Some("m".into())
        }
    );
}

#[test]
fn transient_errors_are_unavailable_and_retry_after_of_a_page_is_ignored() {
    const PAGE: Option<Duration> = None;
    const ANSWER: Option<Duration> = Some(Duration::from_secs(90));
    for (status, body, retry_after) in [
        (403, "<html>Attention required</html>", PAGE),
        (408, "", ANSWER),
        (425, "", ANSWER),
        (429, r#"{"error":"whatever"}"#, ANSWER),
        (429, "<html>Slow down</html>", PAGE),
        (500, "Internal Server Error", ANSWER),
        (503, "<html>Under maintenance</html>", PAGE),
        (
            503,
            r#"{"error":"Service Unavailable","path":"/token"}"#,
            ANSWER,
        ),
        (511, "<html></html>", PAGE),
        (400, r#"{"error":"temporarily_unavailable"}"#, ANSWER),
        (200, r#"{"ok":false,"error":"ratelimited"}"#, ANSWER),
    ] {
        assert_eq!(
            answered(&Quirks::NONE, status, body).unwrap_err(),
            Error::Unavailable { retry_after },
            "{status} {body}"
        );
    }
}

#[test]
fn ambiguous_replies_leave_the_outcome_unknown_and_are_not_quoted() {
    for (status, body) in [
        (200, ""),
        (200, "canary"),
        (200, "[\"canary\"]"),
        (200, r#"{"token":"canary"}"#),
        (200, r#"{"access_token":""}"#),
        (200, r#"{"access_token":{"canary":1}}"#),
        (200, r#"{"access_token":"canary"}canary"#),
        (200, r#"{"access_token":"canary","refresh_tok"#),
        (201, "<!DOCTYPE html><title>canary</title>"),
        (204, ""),
        (502, "<html>canary</html>"),
        (502, r#"{"error":"Bad Gateway"}"#),
        (504, ""),
        (504, r#"{"error":"server_error"}"#),
    ] {
        let error = answered(&Quirks::NONE, status, body).unwrap_err();
        assert!(
            matches!(error, Error::OutcomeUnknown { .. }),
            "{body}: {error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

#[test]
fn an_error_reply_without_an_oauth_error_is_not_quoted() {
    for (status, body) in [
        (302, "<a href=canary>"),
        (404, "<html>canary"),
        (400, r#"{"canary":true}"#),
    ] {
        let error = answered(&Quirks::NONE, status, body).unwrap_err();
        assert!(
            matches!(error, Error::MalformedResponse { .. }),
            "{body}: {error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

proptest::proptest! {
    #[test]
    fn no_reply_panics_or_is_quoted(status in 200u16..600, noise in ".*", kind in 0..5usize) {
        let canary = serde_json::to_string(&format!("canary{noise}")).unwrap();
        let body = match kind {
            0 => format!("canary{noise}"),
            1 => format!("{{\"access_token\":[{canary}]}}"),
            2 => format!("{{\"refresh_token\":{canary},\"expires_in\":{canary}}}"),
            3 => format!("{{\"error\":[{canary}],\"ok\":{canary}}}"),
            _ => format!("<canary>{noise}"),
        };
        let error = answered(&slack(), status, &body).unwrap_err();
        let shown = format!("{error} {error:?}");
        proptest::prop_assert!(!shown.contains("canary"), "{}", shown);
    }
}
