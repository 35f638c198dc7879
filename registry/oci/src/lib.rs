//! The vocabulary of both ends of the wire: names, tags, digests, manifests and end-points of the
//! OCI image and distribution specifications.
//!
//! A value that exists is valid: text is parsed once, at the edge, into these types, and everything
//! behind the edge is spared the doubt. The crate does no I/O, starts nothing and waits for nothing.

mod byte_range;
mod challenge;
mod descriptor;
mod digest;
mod endpoint;
mod error_code;
mod hex;
pub mod ingest;
mod json;
mod manifest;
pub mod media_type;
mod page;
mod quoted;
mod reference;
mod repository_name;
mod tag;
mod upload_id;

pub use byte_range::{ContentRange, ContentRangeError, RANGES_MAX, RangeError, RangeRequest};
pub use challenge::{Challenge, Scopes};
pub use descriptor::{Descriptor, Platform};
pub use digest::{Algorithm, Digest, DigestError, Hasher};
pub use endpoint::{Endpoint, EndpointError, Mount, TAGS_MAX};
pub use error_code::{ErrorBody, ErrorCode, ErrorEntry};
pub use manifest::{Manifest, ManifestError, ManifestKind};
pub use page::{Page, PageError};
pub use reference::{ImageReference, ImageReferenceError, Reference, ReferenceError};
pub use repository_name::{NAME_LENGTH_MAX, RepositoryName, RepositoryNameError};
pub use tag::{TAG_LENGTH_MAX, Tag, TagError};
pub use upload_id::{UploadId, UploadIdError};
