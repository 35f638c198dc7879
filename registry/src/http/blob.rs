//! Blobs: read whole or in parts (end-2), deleted (end-10).

use std::collections::VecDeque;
use std::ops::Range;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use wharf_oci::{Digest, RangeRequest, RepositoryName};

use super::answer::{self, CONTENT_DIGEST, OCTETS, Response};
use super::body::{Body, ContentBody, Piece};
use super::conditional;
use super::error::Failure;
use super::location::visible;
use super::multipart::Multipart;
use super::{Call, body};
use crate::Content;
use crate::activity::PushStep;

/// A blob never changes under its digest.
const FOR_A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

pub(super) async fn head(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response, Failure> {
    let size = call.api.registry.blob_size(name, digest).await?;
    call.api.activity.pushing(call.client, name, PushStep::Reused);
    if conditional::is_known(call.headers, digest) {
        return Ok(not_modified(digest));
    }
    let response = answer::sized(StatusCode::OK, OCTETS, size, Body::empty());
    Ok(described(response, digest))
}

pub(super) async fn get(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response, Failure> {
    if conditional::is_known(call.headers, digest) {
        call.api.registry.blob_size(name, digest).await?;
        return Ok(not_modified(digest));
    }
    let content = call.api.registry.blob(name, digest).await?;
    let response = match ranges(call.headers, digest, content.size())? {
        None => {
            let whole = 0..content.size();
            let size = content.size();
            let body = part(call, name, content, whole);
            answer::sized(StatusCode::OK, OCTETS, size, body)
        }
        Some(ranges) => match ranges.as_slice() {
            [range] => single(call, name, content, range.clone()),
            ranges => several(call, name, content, ranges),
        },
    };
    Ok(described(response, digest))
}

pub(super) async fn delete(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response, Failure> {
    call.api.registry.delete_blob(name, digest).await?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

/// What of the blob is asked for; `None` for all of it. A `Range` of a form that is not understood
/// is ignored (RFC 9110, section 14.2).
fn ranges(
    headers: &HeaderMap,
    digest: &Digest,
    size: u64,
) -> Result<Option<Vec<Range<u64>>>, Failure> {
    let header = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let request = header.and_then(RangeRequest::parse);
    match request.filter(|_| conditional::range_counts(headers, digest)) {
        Some(request) => Ok(Some(request.resolve(size)?)),
        None => Ok(None),
    }
}

fn single(call: &Call<'_>, name: &RepositoryName, content: Content, range: Range<u64>) -> Response {
    let shown = visible(format!("bytes {}-{}/{}", range.start, range.end - 1, content.size()));
    let length = range.end - range.start;
    let body = part(call, name, content, range);
    let mut response = answer::sized(StatusCode::PARTIAL_CONTENT, OCTETS, length, body);
    response.headers_mut().insert(header::CONTENT_RANGE, shown);
    response
}

fn several(
    call: &Call<'_>,
    name: &RepositoryName,
    content: Content,
    ranges: &[Range<u64>],
) -> Response {
    let Multipart { media_type, pieces, length } = Multipart::new(ranges, content.size());
    let sending = call.api.activity.sending(call.client, name);
    let body = body::Body::content(ContentBody::new(content, pieces, sending));
    answer::sized(StatusCode::PARTIAL_CONTENT, media_type, length, body)
}

/// One range of the content, which is not empty unless the content is.
fn part(call: &Call<'_>, name: &RepositoryName, content: Content, range: Range<u64>) -> Body {
    if let Some(bytes) = content.bytes() {
        call.api.activity.blob_read(call.client, name, range.end - range.start);
        let in_memory = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        return match in_memory {
            Some((start, end)) => Body::whole(bytes.slice(start..end)),
            None => Body::empty(),
        };
    }
    let sending = call.api.activity.sending(call.client, name);
    Body::content(ContentBody::new(content, VecDeque::from([Piece::Range(range)]), sending))
}

fn not_modified(digest: &Digest) -> Response {
    described(answer::empty(StatusCode::NOT_MODIFIED), digest)
}

fn described(mut response: Response, digest: &Digest) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, FOR_A_YEAR);
    headers.insert(header::ETAG, conditional::etag(digest));
    headers.insert(CONTENT_DIGEST, answer::digest_value(digest));
    response
}
