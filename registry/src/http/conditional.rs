//! Conditional requests (RFC 9110, section 13). An entity tag is a digest in quotes: it never
//! changes meaning, so that weak and strong comparison are the same.

use http::{HeaderMap, HeaderValue, header};
use wharf_oci::Digest;

use super::location::visible;

/// The `ETag` of content.
pub(super) fn etag(digest: &Digest) -> HeaderValue {
    visible(format!("\"{digest}\""))
}

/// Whether the client has the content already (`If-None-Match`), and 304 is the answer.
pub(super) fn is_known(headers: &HeaderMap, digest: &Digest) -> bool {
    headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        let list = value.to_str().unwrap_or_default();
        list.split(',').map(str::trim).any(|tag| tag == "*" || is_tag_of(tag, digest))
    })
}

/// Whether a `Range` counts (`If-Range`): not when the client's part is of other content. A date
/// never matches, since content has none.
pub(super) fn range_counts(headers: &HeaderMap, digest: &Digest) -> bool {
    headers
        .get(header::IF_RANGE)
        .is_none_or(|value| value.to_str().is_ok_and(|tag| is_tag_of(tag.trim(), digest)))
}

fn is_tag_of(tag: &str, digest: &Digest) -> bool {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let opaque = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    opaque.is_some_and(|opaque| opaque.parse() == Ok(*digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_oci::Algorithm;

    #[test]
    fn entity_tags_are_compared_by_digest() {
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let other = Digest::of(Algorithm::Sha256, b"y");
        let table = [
            (format!("\"{digest}\""), true),
            (format!("W/\"{digest}\""), true),
            (format!("\"{other}\", \"{digest}\""), true),
            ("*".to_owned(), true),
            (format!("\"{other}\""), false),
            (digest.to_string(), false),
            (String::new(), false),
        ];
        for (value, known) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(&value).unwrap());
            assert_eq!(is_known(&headers, &digest), known, "{value}");
        }
    }

    #[test]
    fn a_range_of_other_content_does_not_count() {
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let mut headers = HeaderMap::new();
        assert!(range_counts(&headers, &digest));
        headers.insert(header::IF_RANGE, etag(&digest));
        assert!(range_counts(&headers, &digest));
        headers.insert(header::IF_RANGE, etag(&Digest::of(Algorithm::Sha256, b"y")));
        assert!(!range_counts(&headers, &digest));
        headers.insert(header::IF_RANGE, HeaderValue::from_static("Sun, 22 Nov 2026 07:26:00 GMT"));
        assert!(!range_counts(&headers, &digest));
    }
}
