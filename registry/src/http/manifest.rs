//! Manifests: read (end-3), put (end-7), deleted (end-9). `Accept` is ignored: what was pushed is
//! what is served.

use http::{HeaderName, HeaderValue, StatusCode, header};
use wharf_oci::{Digest, Reference, RepositoryName, Tag};

use super::Call;
use super::answer::{self, CONTENT_DIGEST, Response};
use super::conditional;
use super::error::Failure;
use super::location::visible;
use crate::manifest::StoredManifest;

/// Tells the client that its referrer was understood (end-7a).
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// One for each tag that was set beside the reference (end-7b).
const TAG: HeaderName = HeaderName::from_static("oci-tag");

pub(super) async fn get(
    call: &Call<'_>,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Response, Failure> {
    let manifest = call.api.registry.manifest(name, reference).await?;
    call.api.activity.manifest_read(call.client, name, manifest.bytes.len() as u64);
    Ok(served(call, manifest))
}

/// As a GET; hyper leaves the body out.
pub(super) async fn head(
    call: &Call<'_>,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Response, Failure> {
    let manifest = call.api.registry.manifest(name, reference).await?;
    Ok(served(call, manifest))
}

pub(super) async fn put(
    call: Call<'_>,
    name: &RepositoryName,
    reference: &Reference,
    tags: &[Tag],
) -> Result<Response, Failure> {
    let api = call.api;
    let (bytes, _share) = call.body.collect(api.manifest_bytes_max, &api.manifest_budget).await?;
    let length = bytes.len() as u64;
    let content_type = call.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()));
    let registry = &call.api.registry;
    let put = registry.put_manifest(name, reference, tags, content_type.as_deref(), bytes).await?;
    call.api.activity.pushed(call.client, name, reference, &put.digest, length);
    let mut response = answer::empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, call.api.locations.manifest(name, &put.digest));
    headers.insert(CONTENT_DIGEST, answer::digest_value(&put.digest));
    if let Some(subject) = &put.subject {
        headers.insert(SUBJECT, answer::digest_value(subject));
    }
    for tag in tags {
        headers.append(TAG, visible(tag.to_string()));
    }
    Ok(response)
}

pub(super) async fn delete(
    call: &Call<'_>,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Response, Failure> {
    call.api.registry.delete_manifest(name, reference).await?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

fn served(call: &Call<'_>, manifest: StoredManifest) -> Response {
    let StoredManifest { digest, media_type, bytes } = manifest;
    if conditional::is_known(call.headers, &digest) {
        return described(answer::empty(StatusCode::NOT_MODIFIED), &digest);
    }
    let media_type = HeaderValue::from_str(&media_type).unwrap_or(answer::OCTETS);
    described(answer::text(StatusCode::OK, media_type, bytes), &digest)
}

fn described(mut response: Response, digest: &Digest) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ETAG, conditional::etag(digest));
    headers.insert(CONTENT_DIGEST, answer::digest_value(digest));
    response
}
