//! Where a request goes: to an end-point of the client's own registry, or to an address that the
//! registry gave. Refuses to lead from TLS to plain HTTP.

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use wharf_oci::Endpoint;

/// Where a request goes.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A path on the client's own registry.
    Path(PathAndQuery),
    /// An address that the registry gave, host included.
    Absolute(Uri),
}

impl Target {
    /// The address for a registry at `registry`. None: it would lead from TLS to plain HTTP.
    pub(crate) fn on(self, registry: &Uri, insecure: bool) -> Option<Uri> {
        match self {
            Self::Path(path) => Some(joined(registry, path)),
            Self::Absolute(uri) if is_downgrade(&uri, registry) => {
                let path = uri.path_and_query().cloned()?;
                // A registry behind a proxy that speaks TLS for it may not know of the TLS.
                let is_own = uri.host() == registry.host()
                    && uri.port_u16().is_none_or(|port| Some(port) == registry.port_u16());
                if is_own { Some(joined(registry, path)) } else { insecure.then_some(uri) }
            }
            Self::Absolute(uri) => Some(uri),
        }
    }
}

/// Whether an address leads from TLS to plain HTTP.
fn is_downgrade(to: &Uri, from: &Uri) -> bool {
    from.scheme() == Some(&Scheme::HTTPS) && to.scheme() != Some(&Scheme::HTTPS)
}

/// Whether two addresses have scheme, host and port in common.
pub(crate) fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    let port = |uri: &Uri| {
        uri.port_u16().or(if uri.scheme() == Some(&Scheme::HTTPS) { Some(443) } else { Some(80) })
    };
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    one.scheme() == other.scheme() && host(one) == host(other) && port(one) == port(other)
}

/// The address of a host and its port.
pub(crate) fn origin(scheme: Scheme, authority: Authority) -> Uri {
    compose(scheme, authority, PathAndQuery::from_static("/"))
}

/// Another path on the host of an address.
pub(crate) fn joined(registry: &Uri, path: PathAndQuery) -> Uri {
    let parts = registry.clone().into_parts();
    match (parts.scheme, parts.authority) {
        (Some(scheme), Some(authority)) => compose(scheme, authority, path),
        _ => registry.clone(),
    }
}

#[expect(clippy::expect_used, reason = "the three parts of an HTTP address make one")]
fn compose(scheme: Scheme, authority: Authority, path: PathAndQuery) -> Uri {
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(path)
        .build()
        .expect("scheme, authority and path make an address")
}

#[expect(clippy::expect_used, reason = "an end-point renders to a path of a request")]
pub(crate) fn path_of(endpoint: &Endpoint) -> PathAndQuery {
    endpoint.to_uri().parse().expect("an end-point renders to a path")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(to: &str, registry: &str, insecure: bool) -> Option<String> {
        let registry = registry.parse().unwrap();
        let uri = Target::Absolute(to.parse().unwrap()).on(&registry, insecure)?;
        Some(uri.to_string())
    }

    #[test]
    fn an_address_of_the_registry_does_not_lead_out_of_tls() {
        let registry = "https://r.example:5000/";
        for (to, led_to) in [
            ("https://r.example:5000/a?b", Some("https://r.example:5000/a?b")),
            // What a registry says that does not know of the TLS before it.
            ("http://r.example:5000/a?b", Some("https://r.example:5000/a?b")),
            ("http://r.example/a", Some("https://r.example:5000/a")),
            ("https://elsewhere/a", Some("https://elsewhere/a")),
            ("http://elsewhere/a", None),
            ("http://r.example:81/a", None),
        ] {
            assert_eq!(led(to, registry, false).as_deref(), led_to, "{to}");
        }
        let insecure = led("http://elsewhere/a", registry, true);
        assert_eq!(insecure.as_deref(), Some("http://elsewhere/a"));
        let plain = led("http://elsewhere/a", "http://localhost:5000/", false);
        assert_eq!(plain.as_deref(), Some("http://elsewhere/a"));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same =
            |one: &str, other: &str| is_same_origin(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(same("https://a/x", "https://A:443/y") && same("http://a", "http://a:80"));
        for other in ["http://a", "https://a:444", "https://b", "https://a.b"] {
            assert!(!same("https://a", other), "{other}");
        }
    }
}
