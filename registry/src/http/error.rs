//! `Failure`: why a request got no answer but an error; and from each to its status, its code of the
//! distribution spec and its headers, in one exhaustive match. No other file knows a failure's status.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;
use wharf_oci::ingest::{IMAGE_UNKNOWN, INGEST_VERSION};
use wharf_oci::{
    ContentRangeError, Digest, EndpointError, ErrorBody, ErrorCode, ErrorEntry, RangeError,
    RepositoryName, UploadId,
};

use super::answer::{self, Response};
use super::location::{Locations, visible};
use super::upload::{UPLOAD_UUID, held};
use crate::error::Error;
use crate::ingest::IngestError;

/// How soon a client may try again when there are too many uploads, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("30");

/// How soon a client may try again when there are too many manifests on their way, in seconds.
const RETRY_SOON: HeaderValue = HeaderValue::from_static("5");

/// The most blobs that a refused manifest is told to be without. Whoever forgot more of them can
/// push these first.
const MISSING_SHOWN_MAX: usize = 100;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It is no request of the API.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The domain refused it, or could not fulfil it.
    #[error(transparent)]
    Registry(#[from] Error),
    /// Its `Range` cannot be met.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// Its `Content-Range` is none.
    #[error(transparent)]
    Chunk(#[from] ContentRangeError),
    /// An HTTP/1.1 request without a host, or any with two or a broken one.
    #[error("a request must have exactly one Host, of the form host or host:port")]
    Host,
    /// Its body is coded in another way than HTTP/1.1 needs.
    #[error("the only Transfer-Encoding that is understood is chunked")]
    TransferEncoding,
    /// A foreign web page sent it.
    #[error(
        "pages of the origin `{}` may not change this registry; its settings can allow them",
        origin.escape_debug()
    )]
    Origin {
        /// The page's origin.
        origin: String,
    },
    /// A web page asks for an ingest.
    #[error("web pages may not have images taken in")]
    IngestPage,
    /// A client that may not ask for an ingest.
    #[error(
        "images are taken in for those who know the secret: its file is named by --ingest-secret"
    )]
    IngestSecret,
    /// A request for an ingest that is too long to be one.
    #[error("a request for an ingest has at most {limit} bytes")]
    IngestTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// A request for an ingest that is none.
    #[error("the request for an ingest is not understood")]
    IngestRequest(#[source] serde_json::Error),
    /// A request for an ingest of another version.
    #[error("ingest has the version {INGEST_VERSION} here, not {version}")]
    IngestVersion {
        /// The one that was asked for.
        version: u32,
    },
    /// An image cannot be taken in.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The memory for large manifests is taken by others.
    #[error(
        "too many large manifests are being pushed, and {} seconds of waiting were in vain: try again",
        limit.as_secs()
    )]
    ManifestsTooMany {
        /// How long it waited.
        limit: Duration,
    },
    /// The client stopped sending.
    #[error("no byte of the body came for {} seconds; what had come is kept", limit.as_secs())]
    BodyIdle {
        /// How long it may be silent.
        limit: Duration,
    },
    /// The client went away, or its body is not HTTP.
    #[error("the body ended before its announced length; what had come is kept")]
    BodyBroken {
        /// What hyper saw.
        #[source]
        source: hyper::Error,
    },
}

impl Failure {
    /// The answer. What is unexpected is logged here, once, with everything that led to it.
    pub(super) fn into_response(self, locations: &Locations) -> Response {
        use StatusCode as S;
        match &self {
            Self::Endpoint(error) => of_endpoint(error),
            Self::Registry(error) => of_registry(error, locations),
            Self::Range(RangeError::Unsatisfiable { total }) => {
                let range = visible(format!("bytes */{total}"));
                let response = self.refused(S::RANGE_NOT_SATISFIABLE, ErrorCode::RangeInvalid);
                with(response, header::CONTENT_RANGE, range)
            }
            // Readers of zstd:chunked layers ask again for fewer when they get a 400.
            Self::Range(RangeError::TooMany | RangeError::TooMuch { .. }) => {
                self.refused(S::BAD_REQUEST, ErrorCode::RangeInvalid)
            }
            Self::Chunk(_) => self.refused(S::BAD_REQUEST, ErrorCode::BlobUploadInvalid),
            Self::Host => closing(self.refused(S::BAD_REQUEST, ErrorCode::Unsupported)),
            Self::TransferEncoding => {
                closing(self.refused(S::NOT_IMPLEMENTED, ErrorCode::Unsupported))
            }
            Self::Origin { .. } | Self::IngestPage => self.refused(S::FORBIDDEN, ErrorCode::Denied),
            Self::IngestSecret => {
                let response = self.refused(S::UNAUTHORIZED, ErrorCode::Unauthorized);
                with(response, header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            Self::IngestTooLarge { .. } => {
                self.refused(S::PAYLOAD_TOO_LARGE, ErrorCode::SizeInvalid)
            }
            Self::IngestRequest(_) | Self::IngestVersion { .. } => {
                self.refused(S::BAD_REQUEST, ErrorCode::Unsupported)
            }
            Self::Ingest(IngestError::Registry(error)) => of_registry(error, locations),
            Self::Ingest(error) => of_ingest(error),
            Self::ManifestsTooMany { .. } => {
                let response = self.refused(S::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests);
                with(response, header::RETRY_AFTER, RETRY_SOON)
            }
            Self::BodyIdle { .. } => {
                closing(self.refused(S::REQUEST_TIMEOUT, ErrorCode::SizeInvalid))
            }
            Self::BodyBroken { source } => {
                tracing::debug!("a body broke off: {}", chain(source));
                self.refused(S::BAD_REQUEST, ErrorCode::SizeInvalid)
            }
        }
    }

    fn refused(&self, status: StatusCode, code: ErrorCode) -> Response {
        refuse(status, code, self)
    }
}

fn of_endpoint(error: &EndpointError) -> Response {
    use StatusCode as S;
    match error {
        EndpointError::NotFound => refuse(S::NOT_FOUND, ErrorCode::Unsupported, error),
        EndpointError::Method { allowed } => {
            let response = refuse(S::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, error);
            with(response, header::ALLOW, HeaderValue::from_static(allowed))
        }
        EndpointError::Name(_) => refuse(S::BAD_REQUEST, ErrorCode::NameInvalid, error),
        EndpointError::Tag(_) => refuse(S::BAD_REQUEST, ErrorCode::TagInvalid, error),
        EndpointError::TagsTooMany => refuse(S::URI_TOO_LONG, ErrorCode::TagInvalid, error),
        EndpointError::Digest(_) | EndpointError::DigestMissing => {
            refuse(S::BAD_REQUEST, ErrorCode::DigestInvalid, error)
        }
        EndpointError::UploadId(_) => refuse(S::NOT_FOUND, ErrorCode::BlobUploadUnknown, error),
        EndpointError::Page(_) => refuse(S::BAD_REQUEST, ErrorCode::PaginationNumberInvalid, error),
    }
}

fn of_registry(error: &Error, locations: &Locations) -> Response {
    use StatusCode as S;
    match error {
        Error::BlobUnknown { .. } => refuse(S::NOT_FOUND, ErrorCode::BlobUnknown, error),
        Error::BlobTooLarge { .. } => refuse(S::PAYLOAD_TOO_LARGE, ErrorCode::SizeInvalid, error),
        Error::UploadUnknown { .. } => refuse(S::NOT_FOUND, ErrorCode::BlobUploadUnknown, error),
        Error::UploadOutOfOrder { name, id, offset } => {
            let response = refuse(S::RANGE_NOT_SATISFIABLE, ErrorCode::RangeInvalid, error);
            with_session(response, locations, name, id, *offset)
        }
        Error::UploadBusy { name, id, offset } => {
            let response = refuse(S::CONFLICT, ErrorCode::BlobUploadInvalid, error);
            with_session(response, locations, name, id, *offset)
        }
        Error::UploadsTooMany { .. } => {
            let response = refuse(S::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, error);
            with(response, header::RETRY_AFTER, RETRY_AFTER)
        }
        Error::DigestMismatch { .. } | Error::ManifestDigestMismatch { .. } => {
            refuse(S::BAD_REQUEST, ErrorCode::DigestInvalid, error)
        }
        Error::SizeMismatch { .. } => refuse(S::BAD_REQUEST, ErrorCode::SizeInvalid, error),
        Error::ManifestUnknown { .. } => refuse(S::NOT_FOUND, ErrorCode::ManifestUnknown, error),
        Error::ManifestInvalid { .. } => refuse(S::BAD_REQUEST, ErrorCode::ManifestInvalid, error),
        Error::ManifestTooLarge { .. } => {
            refuse(S::PAYLOAD_TOO_LARGE, ErrorCode::ManifestInvalid, error)
        }
        Error::ManifestBlobsUnknown { name, missing } => {
            answer::refusal(S::BAD_REQUEST, &missing_blobs(name, missing))
        }
        Error::NameUnknown { .. } => refuse(S::NOT_FOUND, ErrorCode::NameUnknown, error),
        Error::DeletesDisabled | Error::ReadOnly => {
            refuse(S::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, error)
        }
        Error::StorageFull { .. } => {
            tracing::warn!("{error}");
            refuse(S::INSUFFICIENT_STORAGE, ErrorCode::InsufficientStorage, error)
        }
        Error::Store { .. } => {
            tracing::error!("{}", chain(error));
            let message = format!("the registry {error}; its log says why");
            let body = ErrorBody::new(ErrorCode::Unknown, message);
            answer::refusal(S::INTERNAL_SERVER_ERROR, &body)
        }
    }
}

/// The store does not hold the image in a form that can be taken in: the client has other ways.
fn of_ingest(error: &IngestError) -> Response {
    let message = chain(error);
    tracing::debug!("no ingest: {message}");
    let entry = ErrorEntry { code: IMAGE_UNKNOWN.to_owned(), message, detail: None };
    answer::refusal(StatusCode::NOT_FOUND, &ErrorBody { errors: vec![entry] })
}

/// One entry for each blob that is missing, up to [`MISSING_SHOWN_MAX`] of them.
fn missing_blobs(name: &RepositoryName, missing: &[Digest]) -> ErrorBody {
    let code = ErrorCode::ManifestBlobUnknown;
    let (shown, left_out) = missing.split_at(missing.len().min(MISSING_SHOWN_MAX));
    let entries = shown.iter().map(|digest| ErrorEntry {
        detail: Some(json!({ "digest": digest })),
        ..ErrorEntry::new(code, format!("{digest} is not in {name}"))
    });
    let mut errors: Vec<_> = entries.collect();
    if !left_out.is_empty() {
        let message = format!("{} more blobs of this manifest are not in {name}", left_out.len());
        errors.push(ErrorEntry::new(code, message));
    }
    ErrorBody { errors }
}

fn refuse(status: StatusCode, code: ErrorCode, error: &dyn StdError) -> Response {
    answer::refusal(status, &ErrorBody::new(code, chain(error)))
}

/// Where a client can go on with its upload, which regctl does (also distribution#3496).
fn with_session(
    response: Response,
    locations: &Locations,
    name: &RepositoryName,
    id: &UploadId,
    offset: u64,
) -> Response {
    let response = with(response, header::LOCATION, locations.upload(name, id));
    let response = with(response, header::RANGE, held(offset));
    with(response, UPLOAD_UUID, visible(id.to_string()))
}

/// `response` as the last one of its connection.
fn closing(response: Response) -> Response {
    with(response, header::CONNECTION, HeaderValue::from_static("close"))
}

fn with(mut response: Response, name: HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}

/// An error and all its sources on one line.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a String cannot fail.
        _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_oci::Algorithm;

    #[test]
    fn a_lost_client_is_told_where_to_go_on() {
        let name: RepositoryName = "a/b".parse().unwrap();
        let id = UploadId::from_random([1; 16]);
        for (offset, range) in [(0, "0-0"), (1, "0-0"), (10, "0-9")] {
            let error = Error::UploadOutOfOrder { name: name.clone(), id, offset };
            let response = Failure::from(error).into_response(&Locations::new(None));
            assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
            assert_eq!(response.headers()[header::RANGE], range);
            assert_eq!(response.headers()[header::LOCATION], format!("/v2/a/b/blobs/uploads/{id}"));
        }
    }

    #[test]
    fn of_many_missing_blobs_the_first_are_named() {
        let name: RepositoryName = "a/b".parse().unwrap();
        let digest = Digest::empty(Algorithm::Sha256);
        let entries = |count: usize| missing_blobs(&name, &vec![digest; count]).errors;
        assert_eq!(entries(3).len(), 3);
        assert_eq!(entries(MISSING_SHOWN_MAX).len(), MISSING_SHOWN_MAX);
        let many = entries(70_000);
        assert_eq!(many.len(), MISSING_SHOWN_MAX + 1);
        assert!(many[MISSING_SHOWN_MAX].message.starts_with("69900 more blobs"));
        assert!(many.iter().all(|entry| entry.code == "MANIFEST_BLOB_UNKNOWN"));
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let error = EndpointError::Method { allowed: "GET, HEAD" };
        let response = Failure::from(error).into_response(&Locations::new(None));
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[header::ALLOW], "GET, HEAD");
    }

    #[test]
    fn a_chain_has_every_cause() {
        let digest = Digest::empty(Algorithm::Sha256);
        let error = Error::DigestMismatch { claimed: digest, found: digest };
        assert_eq!(chain(&error), error.to_string());
        let json = serde_json::from_str::<u8>("x").unwrap_err();
        let expected = format!("the manifest is not valid: {}: {json}", {
            "the manifest is not JSON of the form that the image spec gives"
        });
        let source = wharf_oci::ManifestError::Json(json);
        assert_eq!(chain(&Error::ManifestInvalid { source }), expected);
    }
}
