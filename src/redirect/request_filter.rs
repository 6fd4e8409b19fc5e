//! Rejects requests that are not navigations of a person's browser, such as those
//! that web pages make in the background.

use hyper::Method;
use hyper::header::{HOST, HeaderMap};

use super::pages::Failure;

/// Rejects requests that are not navigations to this listener.
///
/// The exact `Host` prevents DNS rebinding. `Sec-Fetch-Mode`, which all current
/// browsers send and pages cannot forge (W3C Fetch Metadata), excludes images,
/// scripts and `fetch` of other sites. `Sec-Fetch-Dest` excludes frames.
///
/// # Errors
/// The [`Failure`] whose page answers the request.
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
    // A page of this listener is never shown inside another page.
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
    fn only_its_own_hosts_are_accepted() {
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
    fn requests_of_frames_are_rejected() {
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
    fn only_navigations_are_accepted() {
        for mode in ["no-cors", "cors", "same-origin", "websocket", ""] {
            assert!(!passes(&["127.0.0.1:8252"], Some(mode)), "{mode}");
        }
    }
}
