//! From an end-point to its handler, in one exhaustive match: a new end-point does not compile until
//! it has one.

use http::StatusCode;
use wharf_oci::Endpoint;

use super::answer::{self, Response};
use super::error::Failure;
use super::{Call, blob, catalog, manifest, referrers, tag, upload};

pub(super) async fn dispatch(endpoint: Endpoint, call: Call<'_>) -> Result<Response, Failure> {
    match endpoint {
        // end-1
        Endpoint::Version => {
            Ok(answer::text(StatusCode::OK, answer::JSON, bytes::Bytes::from_static(b"{}")))
        }
        Endpoint::ListRepositories { page } => catalog::list(&call, page).await,
        Endpoint::ListTags { name, page } => tag::list(&call, name, page).await,
        Endpoint::ListReferrers { name, digest, artifact_type } => {
            referrers::list(&call, &name, &digest, artifact_type.as_deref()).await
        }
        Endpoint::GetBlob { name, digest } => blob::get(&call, &name, &digest).await,
        Endpoint::HeadBlob { name, digest } => blob::head(&call, &name, &digest).await,
        Endpoint::DeleteBlob { name, digest } => blob::delete(&call, &name, &digest).await,
        Endpoint::StartUpload { name, mount, digest, algorithm } => {
            upload::start(call, &name, mount, digest, algorithm).await
        }
        Endpoint::UploadStatus { name, id } => upload::status(&call, &name, &id).await,
        Endpoint::AppendUpload { name, id } => upload::append(call, &name, &id).await,
        Endpoint::FinishUpload { name, id, digest } => {
            upload::finish(call, &name, &id, &digest).await
        }
        Endpoint::CancelUpload { name, id } => upload::cancel(&call, &name, &id).await,
        Endpoint::GetManifest { name, reference } => manifest::get(&call, &name, &reference).await,
        Endpoint::HeadManifest { name, reference } => {
            manifest::head(&call, &name, &reference).await
        }
        Endpoint::PutManifest { name, reference, tags } => {
            manifest::put(call, &name, &reference, &tags).await
        }
        Endpoint::DeleteManifest { name, reference } => {
            manifest::delete(&call, &name, &reference).await
        }
    }
}
