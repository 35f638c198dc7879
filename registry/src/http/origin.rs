//! `Origins`: which web pages may change the store. A browser sends a page's origin with every
//! request that could change something; without this check any page on the web could push to, or
//! delete from, a registry on loopback (also by DNS that turns to 127.0.0.1).

use http::{HeaderMap, Method, header};

use super::error::Failure;
use super::host::Host;
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
        host_of(origin).is_some_and(|host| host.is_loopback() || self.is_own(host.name))
    }

    fn is_own(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// The host of a web page's origin: `http://` or `https://`, a host, perhaps a port, and nothing
/// else (RFC 6454, section 7). An opaque origin (`null`) has none.
fn host_of(origin: &str) -> Option<Host<'_>> {
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))?;
    Host::parse(rest).filter(|host| !matches!(host.port, Some("" | "0")))
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
            ("http://[::1]evil.com", false),
            ("http://[::1].evil.com", false),
            ("http://[localhost]", false),
            ("http://[127.0.0.1]", false),
            ("http://::1", false),
            ("http://user@localhost", false),
            ("http://user:password@127.0.0.1:80", false),
            ("http://localhost:", false),
            ("http://localhost:0", false),
            ("http://localhost:65536", false),
            ("http://localhost:80:80", false),
            ("http://localhost:evil", false),
            ("http://localhost/", false),
            ("http://localhost?x", false),
            ("http://localhost#x", false),
            ("http://localhost\\.evil.com", false),
            ("http:localhost", false),
            ("http:///localhost", false),
            ("ftp://localhost", false),
            ("chrome-extension://localhost", false),
            ("http://localhost http://evil.com", false),
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
