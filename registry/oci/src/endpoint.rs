//! `Endpoint`: one variant per end-point of the distribution API, with typed fields: parsed from a
//! request by the server, rendered to a URI by the client. It looks at method, path and query only;
//! headers and bodies belong to the handlers.

use http::{Method, Uri};

use crate::{
    Algorithm, Digest, DigestError, Page, PageError, Reference, ReferenceError, RepositoryName,
    RepositoryNameError, Tag, TagError, UploadId, UploadIdError,
};

mod query;
mod route;
#[cfg(test)]
mod tests;

use query::Query;
use route::Route;

/// Most tags that one `PUT` of a manifest may set beside its reference; the distribution spec asks
/// for at least 10 (end-7b).
pub const TAGS_MAX: usize = 64;

/// A request of the distribution API (distribution spec, "Endpoints"). Numbers are the spec's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// end-1: `GET /v2/`
    Version,
    /// registry:2's `GET /v2/_catalog`
    ListRepositories {
        /// The part of the list asked for.
        page: Page,
    },
    /// end-8a, end-8b: `GET /v2/<name>/tags/list`
    ListTags {
        /// The repository.
        name: RepositoryName,
        /// The part of the list asked for.
        page: Page,
    },
    /// end-12a, end-12b: `GET /v2/<name>/referrers/<digest>`
    ListReferrers {
        /// The repository.
        name: RepositoryName,
        /// The manifest referred to.
        digest: Digest,
        /// Only referrers of this type.
        artifact_type: Option<String>,
    },
    /// end-2: `GET /v2/<name>/blobs/<digest>`
    GetBlob {
        /// The repository.
        name: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// end-2: `HEAD /v2/<name>/blobs/<digest>`
    HeadBlob {
        /// The repository.
        name: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// end-10: `DELETE /v2/<name>/blobs/<digest>`
    DeleteBlob {
        /// The repository.
        name: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// end-4a, end-4b, end-4c, end-11: `POST /v2/<name>/blobs/uploads/`
    StartUpload {
        /// The repository.
        name: RepositoryName,
        /// Take the blob from elsewhere in the registry instead, if it is there.
        mount: Option<Mount>,
        /// The whole blob follows in the body, and has this digest.
        digest: Option<Digest>,
        /// The algorithm that the closing request will use.
        algorithm: Option<Algorithm>,
    },
    /// end-13: `GET /v2/<name>/blobs/uploads/<id>`
    UploadStatus {
        /// The repository.
        name: RepositoryName,
        /// The session.
        id: UploadId,
    },
    /// end-5: `PATCH /v2/<name>/blobs/uploads/<id>`
    AppendUpload {
        /// The repository.
        name: RepositoryName,
        /// The session.
        id: UploadId,
    },
    /// end-6: `PUT /v2/<name>/blobs/uploads/<id>?digest=<digest>`
    FinishUpload {
        /// The repository.
        name: RepositoryName,
        /// The session.
        id: UploadId,
        /// What everything sent hashes to.
        digest: Digest,
    },
    /// end-14: `DELETE /v2/<name>/blobs/uploads/<id>`
    CancelUpload {
        /// The repository.
        name: RepositoryName,
        /// The session.
        id: UploadId,
    },
    /// end-3: `GET /v2/<name>/manifests/<reference>`
    GetManifest {
        /// The repository.
        name: RepositoryName,
        /// The manifest.
        reference: Reference,
    },
    /// end-3: `HEAD /v2/<name>/manifests/<reference>`
    HeadManifest {
        /// The repository.
        name: RepositoryName,
        /// The manifest.
        reference: Reference,
    },
    /// end-7a, end-7b: `PUT /v2/<name>/manifests/<reference>`
    PutManifest {
        /// The repository.
        name: RepositoryName,
        /// The manifest.
        reference: Reference,
        /// Tags to set as well, in the order given; [`TAGS_MAX`] at most.
        tags: Vec<Tag>,
    },
    /// end-9: `DELETE /v2/<name>/manifests/<reference>`
    DeleteManifest {
        /// The repository.
        name: RepositoryName,
        /// The manifest, or the tag alone.
        reference: Reference,
    },
}

/// The source of a mount.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mount {
    /// The blob.
    pub digest: Digest,
    /// The repository that has it; `None` means any.
    pub from: Option<RepositoryName>,
}

/// Why a request is none of the distribution API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No end-point has this path.
    #[error("no end-point of the distribution API has this path")]
    NotFound,
    /// The path is an end-point's, the method is not.
    #[error("this end-point does not take that method, but {allowed}")]
    Method {
        /// The methods it takes, as an `Allow` header lists them.
        allowed: &'static str,
    },
    /// The repository's name.
    #[error(transparent)]
    Name(#[from] RepositoryNameError),
    /// A tag.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// More than [`TAGS_MAX`] tags.
    #[error("too many tags in one request: {TAGS_MAX} at most, send the others with another one")]
    TagsTooMany,
    /// A digest, or the name of a digest algorithm.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The id of an upload session.
    #[error(transparent)]
    UploadId(#[from] UploadIdError),
    /// The `n` of a page.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The request that closes an upload says no digest.
    #[error("the request that closes an upload must say `?digest=` and the digest of the blob")]
    DigestMissing,
}

impl From<ReferenceError> for EndpointError {
    fn from(error: ReferenceError) -> Self {
        match error {
            ReferenceError::Tag(error) => Self::Tag(error),
            ReferenceError::Digest(error) => Self::Digest(error),
        }
    }
}

impl Endpoint {
    /// Reads a request line. Unknown query parameters (containerd's `ns=`, crane's `origin=`) are
    /// ignored; HEAD is taken wherever GET is.
    ///
    /// # Errors
    /// [`EndpointError`]; the method is judged before the fields.
    pub fn parse(method: &Method, uri: &Uri) -> Result<Self, EndpointError> {
        let path = query::decode(uri.path());
        let query = Query::new(uri.query());
        let route = Route::parse(&path).ok_or(EndpointError::NotFound)?;
        match route {
            Route::Version => match *method {
                Method::GET | Method::HEAD => Ok(Self::Version),
                _ => Err(route.refuses()),
            },
            Route::Catalog => match *method {
                Method::GET | Method::HEAD => Ok(Self::ListRepositories { page: query.page()? }),
                _ => Err(route.refuses()),
            },
            Route::Tags { name } => match *method {
                Method::GET | Method::HEAD => {
                    Ok(Self::ListTags { name: name.parse()?, page: query.page()? })
                }
                _ => Err(route.refuses()),
            },
            Route::Referrers { name, digest } => match *method {
                Method::GET | Method::HEAD => Ok(Self::ListReferrers {
                    name: name.parse()?,
                    digest: digest.parse()?,
                    artifact_type: query.text("artifactType"),
                }),
                _ => Err(route.refuses()),
            },
            Route::Blob { name, digest } => {
                let fields = || Ok::<_, EndpointError>((name.parse()?, digest.parse()?));
                match *method {
                    Method::GET => fields().map(|(name, digest)| Self::GetBlob { name, digest }),
                    Method::HEAD => fields().map(|(name, digest)| Self::HeadBlob { name, digest }),
                    Method::DELETE => {
                        fields().map(|(name, digest)| Self::DeleteBlob { name, digest })
                    }
                    _ => Err(route.refuses()),
                }
            }
            Route::Uploads { name } => match *method {
                Method::POST => Self::parse_start(name, &query),
                _ => Err(route.refuses()),
            },
            Route::Upload { name, id } => {
                let fields = || Ok::<_, EndpointError>((name.parse()?, id.parse()?));
                match *method {
                    Method::GET | Method::HEAD => {
                        fields().map(|(name, id)| Self::UploadStatus { name, id })
                    }
                    Method::PATCH => fields().map(|(name, id)| Self::AppendUpload { name, id }),
                    Method::PUT => {
                        let (name, id) = fields()?;
                        let digest = query.first("digest").ok_or(EndpointError::DigestMissing)?;
                        Ok(Self::FinishUpload { name, id, digest: digest.parse()? })
                    }
                    Method::DELETE => fields().map(|(name, id)| Self::CancelUpload { name, id }),
                    _ => Err(route.refuses()),
                }
            }
            Route::Manifest { name, reference } => {
                let fields = || Ok::<_, EndpointError>((name.parse()?, reference.parse()?));
                match *method {
                    Method::GET => {
                        fields().map(|(name, reference)| Self::GetManifest { name, reference })
                    }
                    Method::HEAD => {
                        fields().map(|(name, reference)| Self::HeadManifest { name, reference })
                    }
                    Method::PUT => {
                        let (name, reference) = fields()?;
                        Ok(Self::PutManifest { name, reference, tags: query.tags()? })
                    }
                    Method::DELETE => {
                        fields().map(|(name, reference)| Self::DeleteManifest { name, reference })
                    }
                    _ => Err(route.refuses()),
                }
            }
        }
    }

    /// A mount whose `from` is no repository name has no usable source: it becomes a plain session,
    /// as a mount from an unknown repository does (end-11).
    fn parse_start(name: &str, query: &Query<'_>) -> Result<Self, EndpointError> {
        let name = name.parse()?;
        let digest = query.first("digest").map(|text| text.parse()).transpose()?;
        let algorithm = query.first("digest-algorithm").map(|text| text.parse()).transpose()?;
        let mount: Option<Digest> = query.first("mount").map(|text| text.parse()).transpose()?;
        let from = query.first("from").map(|text| text.parse()).transpose();
        let mount = match (mount, from) {
            (Some(digest), Ok(from)) => Some(Mount { digest, from }),
            (Some(_), Err(_)) | (None, _) => None,
        };
        Ok(Self::StartUpload { name, mount, digest, algorithm })
    }

    /// The method to ask with.
    #[must_use]
    pub fn method(&self) -> Method {
        match self {
            Self::Version
            | Self::ListRepositories { .. }
            | Self::ListTags { .. }
            | Self::ListReferrers { .. }
            | Self::GetBlob { .. }
            | Self::UploadStatus { .. }
            | Self::GetManifest { .. } => Method::GET,
            Self::HeadBlob { .. } | Self::HeadManifest { .. } => Method::HEAD,
            Self::StartUpload { .. } => Method::POST,
            Self::AppendUpload { .. } => Method::PATCH,
            Self::FinishUpload { .. } | Self::PutManifest { .. } => Method::PUT,
            Self::DeleteBlob { .. } | Self::CancelUpload { .. } | Self::DeleteManifest { .. } => {
                Method::DELETE
            }
        }
    }

    /// Path and query, escaped: what follows the host.
    #[must_use]
    pub fn to_uri(&self) -> String {
        match self {
            Self::Version => "/v2/".to_owned(),
            Self::ListRepositories { page } => query::with_page("/v2/_catalog".to_owned(), page),
            Self::ListTags { name, page } => {
                query::with_page(format!("/v2/{name}/tags/list"), page)
            }
            Self::ListReferrers { name, digest, artifact_type } => query::with(
                format!("/v2/{name}/referrers/{digest}"),
                artifact_type.iter().map(|text| ("artifactType", text.clone())),
            ),
            Self::GetBlob { name, digest }
            | Self::HeadBlob { name, digest }
            | Self::DeleteBlob { name, digest } => format!("/v2/{name}/blobs/{digest}"),
            Self::StartUpload { name, mount, digest, algorithm } => {
                let from = mount.as_ref().and_then(|mount| mount.from.as_ref());
                let parameters = [
                    ("mount", mount.as_ref().map(|mount| mount.digest.to_string())),
                    ("from", from.map(ToString::to_string)),
                    ("digest", digest.map(|digest| digest.to_string())),
                    ("digest-algorithm", algorithm.map(|algorithm| algorithm.to_string())),
                ];
                let given = parameters.into_iter().filter_map(|(key, value)| Some((key, value?)));
                query::with(format!("/v2/{name}/blobs/uploads/"), given)
            }
            Self::UploadStatus { name, id }
            | Self::AppendUpload { name, id }
            | Self::CancelUpload { name, id } => format!("/v2/{name}/blobs/uploads/{id}"),
            Self::FinishUpload { name, id, digest } => {
                format!("/v2/{name}/blobs/uploads/{id}?digest={digest}")
            }
            Self::GetManifest { name, reference }
            | Self::HeadManifest { name, reference }
            | Self::DeleteManifest { name, reference } => {
                format!("/v2/{name}/manifests/{reference}")
            }
            Self::PutManifest { name, reference, tags } => query::with(
                format!("/v2/{name}/manifests/{reference}"),
                tags.iter().map(|tag| ("tag", tag.to_string())),
            ),
        }
    }
}
