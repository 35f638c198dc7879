//! What has to be true of every request before anything is read into it: one that two programs could
//! read in two ways is refused, and its connection closed (RFC 9112, sections 3.2 and 6.1). What is
//! no HTTP at all, hyper has refused before.

use http::{HeaderMap, Version, header};

use super::error::Failure;
use super::host::Host;

/// Checks the `Host` and the `Transfer-Encoding` of a request.
///
/// # Errors
/// [`Failure::Host`], [`Failure::TransferEncoding`].
pub(super) fn check(version: Version, headers: &HeaderMap) -> Result<(), Failure> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let is_clear = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(|host| Host::parse(host).is_some()),
        (None, _) => version < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    if !is_clear {
        return Err(Failure::Host);
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Failure::TransferEncoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn checked(version: Version, fields: &[(HeaderName, &'static str)]) -> Result<(), Failure> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        check(version, &headers)
    }

    #[test]
    fn a_request_has_one_host() {
        let host = |value| (header::HOST, value);
        assert!(checked(Version::HTTP_11, &[host("a:5000")]).is_ok());
        assert!(checked(Version::HTTP_11, &[host("")]).is_ok());
        assert!(checked(Version::HTTP_10, &[]).is_ok());
        let two = [host("a"), host("a")];
        for (version, fields) in [
            (Version::HTTP_11, [].as_slice()),
            (Version::HTTP_11, &two),
            (Version::HTTP_10, &two),
            (Version::HTTP_11, &[host("a b")]),
            (Version::HTTP_11, &[host("user@a")]),
            (Version::HTTP_11, &[host("[::1]a")]),
        ] {
            let refused = checked(version, fields);
            assert!(matches!(refused, Err(Failure::Host)), "{version:?} {fields:?}");
        }
    }

    #[test]
    fn chunked_is_the_only_coding() {
        let coded = |values: &[&'static str]| {
            let codings = values.iter().map(|value| (header::TRANSFER_ENCODING, *value));
            let fields: Vec<_> = std::iter::once((header::HOST, "a")).chain(codings).collect();
            checked(Version::HTTP_11, &fields)
        };
        assert!(coded(&["chunked"]).is_ok() && coded(&["Chunked"]).is_ok());
        for values in [["gzip, chunked"].as_slice(), &["gzip", "chunked"], &["chunked", "chunked"]]
        {
            let refused = coded(values);
            assert!(matches!(refused, Err(Failure::TransferEncoding)), "{values:?}");
        }
    }
}
