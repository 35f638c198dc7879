//! `Origins`: which web pages may change the store. A browser sends a page's origin with every
//! request that could change something; without this check any page on the web could push to, or
//! delete from, a registry on loopback (also by DNS that turns to 127.0.0.1).

use std::net::IpAddr;

use http::{HeaderMap, Method, Uri, header};

use super::error::Failure;
use crate::config;

/// The origins that are trusted beside loopback.
#[derive(Debug)]
pub(super) struct Origins {
    names: Vec<String>,
    allowed: Vec<String>,
}

impl Origins {
    pub(super) fn new(config: &config::Http) -> Self {
        Self { names: config.names.clone(), allowed: config.allowed_origins.clone() }
    }

    /// Refuses a request that a foreign page sent.
    ///
    /// # Errors
    /// [`Failure::Origin`], for methods other than GET and HEAD.
    pub(super) fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), Failure> {
        if matches!(*method, Method::GET | Method::HEAD) {
            return Ok(());
        }
        for origin in headers.get_all(header::ORIGIN) {
            let text = origin.to_str().unwrap_or_default();
            if !self.trusts(text) {
                return Err(Failure::Origin { origin: text.to_owned() });
            }
        }
        Ok(())
    }

    fn trusts(&self, origin: &str) -> bool {
        if self.allowed.iter().any(|allowed| allowed.trim_end_matches('/') == origin) {
            return true;
        }
        // An opaque origin (`null`) is no URI with a host, and so is not trusted.
        let uri = origin.parse::<Uri>().ok();
        let host = uri.as_ref().filter(|uri| uri.scheme().is_some()).and_then(Uri::host);
        host.is_some_and(|host| is_loopback(host) || self.is_own(host))
    }

    fn is_own(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check(method: &Method, origin: &str) -> bool {
        let config = config::Http {
            allowed_origins: vec!["https://ui.example:8443".to_owned()],
            ..config::Http::default()
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        Origins::new(&config).check(method, &headers).is_ok()
    }

    #[test]
    fn only_trusted_pages_may_change_the_store() {
        let table = [
            ("http://localhost:5000", true),
            ("http://127.0.0.1", true),
            ("http://127.9.9.9:80", true),
            ("http://[::1]:5000", true),
            ("http://kind-registry:5000", true),
            ("http://KIND-REGISTRY", true),
            ("https://ui.example:8443", true),
            ("https://ui.example", false),
            ("https://evil.example", false),
            ("http://localhost.evil.example", false),
            ("http://127.0.0.1.evil.example", false),
            ("http://evil.example/kind-registry", false),
            ("http://kind-registry@evil.example", false),
            ("null", false),
            ("", false),
            ("localhost", false),
        ];
        for (origin, trusted) in table {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert_eq!(check(&method, origin), trusted, "{method} {origin}");
            }
            assert!(check(&Method::GET, origin) && check(&Method::HEAD, origin), "{origin}");
        }
    }

    #[test]
    fn clients_that_are_no_browsers_send_no_origin() {
        let origins = Origins::new(&config::Http::default());
        assert!(origins.check(&Method::PUT, &HeaderMap::new()).is_ok());
    }
}
