//! Which requests the loopback listener looks at: those that a browser makes
//! when a person is sent here, and nothing that a web page makes behind
//! their back.

use hyper::Method;
use hyper::header::{HOST, HeaderMap};

use super::pages::Failure;

/// Refuses what cannot be a person's browser on its way back.
///
/// The exact `Host` stops DNS rebinding; `Sec-Fetch-Mode`, which every current
/// browser sends and no page can forge (W3C Fetch Metadata), stops images,
/// scripts and `fetch` of other sites; `Sec-Fetch-Dest` stops frames.
pub(super) fn check(
    own_hosts: &[String],
    method: &Method,
    headers: &HeaderMap,
) -> Result<(), Failure<'static>> {
    let mut hosts = headers.get_all(HOST).iter();
    let is_own = match (hosts.next(), hosts.next()) {
        (Some(host), None) => own_hosts
            .iter()
            .any(|own| own.as_bytes() == host.as_bytes()),
        _ => false,
    };
    if !is_own {
        return Err(Failure::WrongHost);
    }
    let mode = headers.get("sec-fetch-mode");
    if mode.is_some_and(|mode| mode != "navigate") {
        return Err(Failure::BadRequest);
    }
    // A page of this listener is looked at by itself, never inside another.
    let destination = headers.get("sec-fetch-dest");
    if destination.is_some_and(|destination| destination != "document") {
        return Err(Failure::BadRequest);
    }
    if method != Method::GET && method != Method::POST {
        return Err(Failure::MethodNotAllowed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn passes(host: &[&'static str], mode: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        for host in host {
            headers.append(HOST, HeaderValue::from_static(host));
        }
        if let Some(mode) = mode {
            headers.insert("sec-fetch-mode", HeaderValue::from_static(mode));
        }
        let own = ["127.0.0.1:8252".to_owned(), "[::1]:8252".to_owned()];
        check(&own, &Method::GET, &headers).is_ok()
    }

    #[test]
    fn only_its_own_names_are_answered_to() {
        assert!(passes(&["127.0.0.1:8252"], None));
        assert!(passes(&["[::1]:8252"], Some("navigate")));
        for foreign in [
            "127.0.0.1",
            "127.0.0.1:80",
            "evil.example",
            "127.0.0.1:8252.evil.example",
        ] {
            assert!(!passes(&[foreign], None), "{foreign}");
        }
        assert!(!passes(&[], None));
        assert!(!passes(&["127.0.0.1:8252", "127.0.0.1:8252"], None));
    }

    #[test]
    fn no_page_is_shown_inside_another() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("127.0.0.1:8252"));
        headers.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
        let own = ["127.0.0.1:8252".to_owned()];
        for (destination, passes) in [("document", true), ("iframe", false), ("object", false)] {
            headers.insert("sec-fetch-dest", HeaderValue::from_static(destination));
            let checked = check(&own, &Method::GET, &headers);
            assert_eq!(checked.is_ok(), passes, "{destination}");
        }
    }

    #[test]
    fn only_navigations_are_answered() {
        for mode in ["no-cors", "cors", "same-origin", "websocket", ""] {
            assert!(!passes(&["127.0.0.1:8252"], Some(mode)), "{mode}");
        }
    }
}
