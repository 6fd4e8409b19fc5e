//! Properties of every page, for any text from other sources.

use uuid::Uuid;

use super::*;

/// Text that is harmful if it is not escaped.
const HOSTILE: &str = "<script>alert('\"&')</script>";

fn scopes(text: &str) -> Scopes {
    Scopes::new([text])
}

fn connected_with(text: &str) -> Page {
    connected(&Connected {
        provider_name: text,
        account_label: Some(text),
        user_id: &UserId::parse(text).unwrap(),
        agent_id: AgentId::parse(text).as_ref(),
        scopes: &scopes(text),
        missing: &scopes(text),
        notice: None,
        form: None,
    })
}

/// The final page with each notice and each question.
fn follow_ups_with(text: &str) -> Vec<Page> {
    let (form_token, agent) = (FormToken::new(text), AgentId::parse(text).unwrap());
    let agents = BTreeMap::from([(agent, scopes(text))]);
    let page = |notice: &Notice, asks_account| {
        connected(&Connected {
            provider_name: text,
            account_label: Some(text),
            user_id: &UserId::parse(text).unwrap(),
            agent_id: None,
            scopes: &scopes(text),
            missing: &scopes(text),
            notice: Some(notice),
            form: Some(FollowUpForm {
                action: text.to_owned(),
                form_token: &form_token,
                asks_account,
                agents: &agents,
            }),
        })
    };
    let kept = Some(text.to_owned());
    vec![
        page(&Notice::SameAccount, true),
        page(&Notice::AnotherAccount { kept }, false),
    ]
}

fn consent_with(text: &str) -> Page {
    consent(&Consent {
        agent_id: &AgentId::parse(text).unwrap(),
        provider_name: text,
        user_id: &UserId::parse(text).unwrap(),
        accounts: &[
            Account {
                id: TokenId::new(Uuid::from_u128(1)),
                label: Some(text),
                granted: &scopes(text),
                gives: scopes(text),
                added: None,
            },
            Account {
                id: TokenId::new(Uuid::from_u128(2)),
                label: None,
                granted: &scopes("beyond"),
                gives: scopes("beyond"),
                added: Some(&scopes("beyond")),
            },
        ],
        scopes: &scopes(text),
        action: text,
        form_token: &FormToken::new(text),
    })
}

fn onward_with(text: &str) -> Page {
    let mut authorization_url = Url::parse("https://provider.example/authorize").unwrap();
    authorization_url
        .query_pairs_mut()
        .append_pair("scope", text)
        .append_pair("state", "s");
    provider_redirect(&ProviderRedirect {
        provider_name: text,
        authorization_url: &authorization_url,
    })
}

fn failures_with(text: &str) -> Vec<Page> {
    [
        Failure::Refused {
            provider_name: text,
        },
        Failure::Expired,
        Failure::UnknownState,
        Failure::ProviderRefused {
            provider_name: text,
            error: text,
            description: Some(text),
        },
        Failure::Discarded {
            provider_name: text,
            error: text,
            description: Some(text),
        },
        Failure::ProviderUnavailable {
            provider_name: text,
        },
        Failure::Restarting,
        Failure::LinkUsed,
        Failure::NotFound,
        Failure::BadRequest,
        Failure::MethodNotAllowed,
        Failure::WrongHost,
        Failure::OtherUser,
        Failure::OtherUser,
        Failure::Internal { request_id: text },
        Failure::CannotStore { why: text },
        Failure::SetupUpdated,
    ]
    .iter()
    .map(failed)
    .collect()
}

fn every_page_with(text: &str) -> Vec<Page> {
    let mut pages = failures_with(text);
    pages.extend(follow_ups_with(text));
    pages.extend([connected_with(text), consent_with(text), onward_with(text)]);
    pages.push(finishing(text));
    pages
}

#[test]
fn foreign_text_never_becomes_markup() {
    for page in every_page_with(HOSTILE) {
        let html = page.html;
        assert!(!html.contains("<script"), "{html}");
        assert!(!html.contains("alert('"), "{html}");
        assert!(!html.contains("('\""), "{html}");
    }
}

#[test]
fn pages_load_no_resource_and_run_no_script() {
    for page in every_page_with("plain") {
        let body = page.html.replacen(STYLE, "", 1);
        for forbidden in ["<script", " style=", " on", "src=", "<link", "<img"] {
            let in_a_tag = body
                .split('<')
                .map(|tag| format!("<{}", tag.split('>').next().unwrap_or_default()))
                .any(|tag| tag.contains(forbidden));
            assert!(!in_a_tag, "{forbidden} in {body}");
        }
        for forbidden in ["url(", "@import", "//"] {
            assert!(!STYLE.contains(forbidden), "{forbidden} in the style");
        }
        let is_onward = body.contains("Continue to");
        assert_eq!(body.contains("//"), is_onward, "an address in {body}");
    }
}

#[test]
fn the_policy_allows_the_style_of_the_page() {
    for page in every_page_with("plain") {
        let (_, rest) = page.html.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let hash = STANDARD.encode(Sha256::digest(style));
        let policy = page.content_security_policy();
        assert!(
            policy.contains(&format!("style-src 'sha256-{hash}';")),
            "{policy}"
        );
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert_eq!(
            policy.contains("form-action 'self'"),
            page.html.contains("<form"),
            "{policy}"
        );
    }
}

#[test]
fn every_page_has_a_language_a_title_and_one_heading() {
    for Page { html, .. } in every_page_with("plain") {
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"));
        let (_, title) = html.split_once("<title>").unwrap();
        let (title, _) = title.split_once(" – Agent Auth</title>").unwrap();
        assert!(html.contains(&format!("<h1>{title}</h1>")), "{html}");
        assert_eq!(html.matches("<h1>").count(), 1);
        assert_eq!(html.matches("<main>").count(), 1);
    }
}

#[test]
fn invisible_characters_are_escaped_on_a_page() {
    for (name, shown) in [
        ("claude\u{200b}", "claude\\u{200b}"),
        ("a\u{61c}b", "a\\u{61c}b"),
        ("a\u{2028}b\u{1b}", "a\\u{2028}b\\u{1b}"),
    ] {
        let page = failed(&Failure::Refused {
            provider_name: name,
        });
        assert!(page.html.contains(shown), "{}", page.html);
        assert!(!page.html.contains(name));
    }
}

#[test]
fn foreign_text_is_cut_and_kept_on_one_line() {
    let long = format!("one\ntwo{}", "é".repeat(1_000));
    let page = failed(&Failure::ProviderRefused {
        provider_name: "GitHub",
        error: "invalid_scope",
        description: Some(&long),
    });
    let cut = format!("one two{}…", "é".repeat(LONGEST_FOREIGN_TEXT - 7));
    assert!(page.html.contains(&format!("“<bdi>{cut}</bdi>”")));
    let whole = "x".repeat(LONGEST_FOREIGN_TEXT);
    assert!(
        connected_with(&whole)
            .html
            .contains(&format!("{whole}</bdi>"))
    );
}

#[test]
fn the_first_account_is_preselected() {
    let html = consent_with("plain").html;
    assert_eq!(html.matches(" checked>").count(), 1);
    let first = format!("value=\"{}\" checked>", TokenId::new(Uuid::from_u128(1)));
    assert!(html.contains(&first), "{html}");
}

#[test]
fn the_consent_page_without_accounts_has_no_allow_button() {
    let none = Scopes::default();
    let page = consent(&Consent {
        agent_id: &AgentId::parse("agent").unwrap(),
        provider_name: "GitHub",
        user_id: &UserId::parse("maria").unwrap(),
        accounts: &[],
        scopes: &none,
        action: "/consent",
        form_token: &FormToken::new("token"),
    });
    assert!(!page.html.contains("value=\"allow\""));
    assert!(page.html.contains("value=\"connect\""));
    assert!(page.html.contains("value=\"refuse\""));
}

#[test]
fn decisions_are_read_as_they_are_written() {
    for decision in [Decision::Allow, Decision::Connect, Decision::Refuse] {
        assert_eq!(decision.as_str().parse(), Ok(decision));
    }
    assert!("Allow".parse::<Decision>().is_err());
}

#[test]
fn the_onward_page_links_to_the_complete_url() {
    let html = onward_with("repo").html;
    let address = "https://provider.example/authorize?scope=repo&#38;state=s";
    assert!(
        html.contains(&format!("content=\"0; url={address}\"")),
        "{html}"
    );
    assert!(html.contains(&format!("href=\"{address}\"")), "{html}");
}
