//! Responses in their few forms, so that no handler forgets a length or a type.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use wharf_oci::{Digest, ErrorBody};

use super::body::Body;
use super::location::visible;

/// What a handler gives back.
pub(super) type Response = http::Response<Body>;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The digest of what is served or was stored, in the algorithm that was asked for.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Room for the header fields of an answer, so that the map is made once.
const FIELDS: usize = 12;

/// A response without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = bare(status, Body::empty());
    // A 204 and a 304 have no length at all (RFC 9110, section 8.6).
    if !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    response
}

/// A response with a body that is in memory.
pub(super) fn text(status: StatusCode, media_type: HeaderValue, bytes: Bytes) -> Response {
    let length = bytes.len() as u64;
    sized(status, media_type, length, Body::whole(bytes))
}

/// A response with a body of `length` bytes; without the body, the answer to a HEAD.
pub(super) fn sized(
    status: StatusCode,
    media_type: HeaderValue,
    length: u64,
    body: Body,
) -> Response {
    let mut response = bare(status, body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_TYPE, media_type);
    response
}

/// A response with a body whose length is not known before its end.
pub(super) fn streamed(status: StatusCode, media_type: HeaderValue, body: Body) -> Response {
    let mut response = bare(status, body);
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

/// A response with `value` as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    typed_json(status, JSON, value)
}

/// A response with `value` as JSON of a type of its own.
pub(super) fn typed_json(
    status: StatusCode,
    media_type: HeaderValue,
    value: &impl Serialize,
) -> Response {
    match serde_json::to_vec(value) {
        Ok(text_of_value) => text(status, media_type, Bytes::from(text_of_value)),
        Err(error) => {
            tracing::error!("cannot write an answer as JSON: {error}");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// A response with the spec's error body.
pub(super) fn refusal(status: StatusCode, body: &ErrorBody) -> Response {
    json(status, body)
}

/// A digest as a header value.
pub(super) fn digest_value(digest: &Digest) -> HeaderValue {
    visible(digest.to_string())
}

fn bare(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = HeaderMap::with_capacity(FIELDS);
    response
}
