//! The manifests that refer to another (end-12), as an image index. An unknown repository or
//! manifest has none, which is no error.

use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use wharf_oci::{Descriptor, Digest, RepositoryName, media_type};

use super::Call;
use super::answer::{self, Response};
use super::error::Failure;

/// Says which filters were applied; clients apply the others themselves.
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

/// Exactly the index's type: clients take anything else for a registry without referrers.
const INDEX: HeaderValue = HeaderValue::from_static(media_type::OCI_INDEX);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Referrers<'a> {
    schema_version: u8,
    media_type: &'static str,
    manifests: &'a [Descriptor],
}

pub(super) async fn list(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
    artifact_type: Option<&str>,
) -> Result<Response, Failure> {
    let found = call.api.registry.referrers(name, digest, artifact_type).await?;
    let index =
        Referrers { schema_version: 2, media_type: media_type::OCI_INDEX, manifests: &found };
    let mut response = answer::typed_json(StatusCode::OK, INDEX, &index);
    if artifact_type.is_some() {
        response.headers_mut().insert(FILTERS, HeaderValue::from_static("artifactType"));
    }
    Ok(response)
}
