//! Uploads in all their forms: started, mounted or sent whole by POST (end-4, end-11), asked for
//! (end-13), continued by PATCH (end-5), closed by PUT (end-6), cancelled (end-14).

use http::{HeaderName, HeaderValue, StatusCode, header};
use wharf_oci::{Algorithm, ContentRange, Digest, Mount, RepositoryName, UploadId};

use super::Call;
use super::answer::{self, CONTENT_DIGEST, Response};
use super::error::Failure;
use super::location::visible;
use crate::activity::PushStep;
use crate::registry::Registry;
use crate::upload::Incoming;

/// registry:2's name for the session, which nobody needs beside the Location.
pub(super) const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

pub(super) async fn start(
    mut call: Call<'_>,
    name: &RepositoryName,
    mount: Option<Mount>,
    digest: Option<Digest>,
    algorithm: Option<Algorithm>,
) -> Result<Response, Failure> {
    let Call { api, client, .. } = call;
    match (mount, digest) {
        (Some(mount), _) => {
            if api.registry.mount_blob(name, &mount.digest, mount.from.as_ref()).await? {
                api.activity.pushing(client, name, PushStep::Mounted);
                return Ok(created(&call, name, &mount.digest));
            }
        }
        (None, Some(digest)) => return whole(&mut call, name, &digest).await,
        (None, None) => {}
    }
    let id = api.registry.start_upload(name, algorithm).await?;
    api.activity.pushing(client, name, PushStep::Started);
    Ok(session(&call, StatusCode::ACCEPTED, name, &id, 0))
}

pub(super) async fn status(
    call: &Call<'_>,
    name: &RepositoryName,
    id: &UploadId,
) -> Result<Response, Failure> {
    let offset = call.api.registry.upload_offset(name, id).await?;
    Ok(session(call, StatusCode::NO_CONTENT, name, id, offset))
}

pub(super) async fn append(
    call: Call<'_>,
    name: &RepositoryName,
    id: &UploadId,
) -> Result<Response, Failure> {
    let incoming = incoming(&call, None)?;
    let mut receiving = call.api.registry.receive(name, id, incoming).await?;
    let poured = call.body.pour(&mut receiving, announced(&incoming)).await;
    // The session is free again before the client hears of it, also of a failure.
    let paused = receiving.pause().await;
    poured?;
    Ok(session(&call, StatusCode::ACCEPTED, name, id, paused?))
}

pub(super) async fn finish(
    mut call: Call<'_>,
    name: &RepositoryName,
    id: &UploadId,
    digest: &Digest,
) -> Result<Response, Failure> {
    receive_last(&mut call, name, id, digest).await?;
    Ok(created(&call, name, digest))
}

pub(super) async fn cancel(
    call: &Call<'_>,
    name: &RepositoryName,
    id: &UploadId,
) -> Result<Response, Failure> {
    call.api.registry.cancel_upload(name, id).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// The whole blob in one POST (end-4b).
async fn whole(
    call: &mut Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response, Failure> {
    call.api.activity.pushing(call.client, name, PushStep::Started);
    let registry = call.api.registry.clone();
    let id = registry.start_upload(name, Some(digest.algorithm())).await?;
    let mut unnamed = Unnamed { registry, session: Some((name.clone(), id)) };
    receive_last(call, name, &id, digest).await?;
    unnamed.session = None;
    Ok(created(call, name, digest))
}

/// A session that its client knows nothing of: it goes when its request fails or its client leaves.
struct Unnamed {
    registry: Registry,
    session: Option<(RepositoryName, UploadId)>,
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        let Some((name, id)) = self.session.take() else { return };
        let registry = self.registry.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // It may be gone already, which is as good.
            runtime.spawn(async move { _ = registry.cancel_upload(&name, &id).await });
        }
    }
}

/// Takes in the last bytes of a blob, checks its digest and stores it.
async fn receive_last(
    call: &mut Call<'_>,
    name: &RepositoryName,
    id: &UploadId,
    digest: &Digest,
) -> Result<(), Failure> {
    let incoming = incoming(call, Some(*digest))?;
    let mut receiving = call.api.registry.receive(name, id, incoming).await?;
    if let Err(failure) = call.body.pour(&mut receiving, announced(&incoming)).await {
        // A failure of this, too, is told by the one that came first.
        _ = receiving.pause().await;
        return Err(failure);
    }
    let size = receiving.commit(digest).await?;
    call.api.metrics.blobs_committed.inc();
    call.api.activity.pushing(call.client, name, PushStep::Sent(size));
    Ok(())
}

/// What the request says about its body.
fn incoming(call: &Call<'_>, digest: Option<Digest>) -> Result<Incoming, Failure> {
    let range = match call.headers.get(header::CONTENT_RANGE) {
        Some(value) => Some(String::from_utf8_lossy(value.as_bytes()).parse::<ContentRange>()?),
        None => None,
    };
    Ok(Incoming { range, length: call.body.announced(), digest })
}

/// How many bytes have to come: a body of unknown length may still have a range.
fn announced(incoming: &Incoming) -> Option<u64> {
    incoming.length.or_else(|| incoming.range.map(|range| range.length()))
}

/// The bytes that a session holds, as `Range` tells them: `0-0` also when there are none, as
/// registry:2 does (distribution spec, issue 578).
pub(super) fn held(offset: u64) -> HeaderValue {
    visible(format!("0-{}", offset.saturating_sub(1)))
}

fn session(
    call: &Call<'_>,
    status: StatusCode,
    name: &RepositoryName,
    id: &UploadId,
    offset: u64,
) -> Response {
    let mut response = answer::empty(status);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, call.api.locations.upload(name, id));
    headers.insert(header::RANGE, held(offset));
    headers.insert(UPLOAD_UUID, visible(id.to_string()));
    response
}

fn created(call: &Call<'_>, name: &RepositoryName, digest: &Digest) -> Response {
    let mut response = answer::empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, call.api.locations.blob(name, digest));
    headers.insert(CONTENT_DIGEST, answer::digest_value(digest));
    response
}
