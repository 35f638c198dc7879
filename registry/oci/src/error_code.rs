//! `ErrorCode` and the error body (distribution spec, "Error Codes"). Which status goes with which
//! code is not decided here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An error code of the distribution spec, or one that registry:2 added and clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each is the spec's code of the same name; as_str() gives its text"
)]
pub enum ErrorCode {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    TooManyRequests,
    RangeInvalid,
    PaginationNumberInvalid,
    TagInvalid,
    InsufficientStorage,
    Unknown,
}

impl ErrorCode {
    /// The code as it stands in an error body.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::RangeInvalid => "RANGE_INVALID",
            Self::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            Self::TagInvalid => "TAG_INVALID",
            Self::InsufficientStorage => "INSUFFICIENT_STORAGE",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The JSON body of an error answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong, most often one entry.
    pub errors: Vec<ErrorEntry>,
}

/// One error of an error body. The code is text, since another registry's may be unknown here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEntry {
    /// The code; [`ErrorCode::as_str`] gives ours.
    pub code: String,
    /// For a person.
    #[serde(default)]
    pub message: String,
    /// For a program; its form depends on the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
}

impl ErrorBody {
    /// A body with one entry and no detail.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { errors: vec![ErrorEntry::new(code, message)] }
    }
}

impl ErrorEntry {
    /// An entry without detail.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code: code.as_str().to_owned(), message: message.into(), detail: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spec_s_codes_are_those_of_oci_spec() {
        use oci_spec::distribution::ErrorCode as Theirs;
        let table = [
            (ErrorCode::BlobUnknown, Theirs::BlobUnknown),
            (ErrorCode::BlobUploadInvalid, Theirs::BlobUploadInvalid),
            (ErrorCode::BlobUploadUnknown, Theirs::BlobUploadUnknown),
            (ErrorCode::DigestInvalid, Theirs::DigestInvalid),
            (ErrorCode::ManifestBlobUnknown, Theirs::ManifestBlobUnknown),
            (ErrorCode::ManifestInvalid, Theirs::ManifestInvalid),
            (ErrorCode::ManifestUnknown, Theirs::ManifestUnknown),
            (ErrorCode::NameInvalid, Theirs::NameInvalid),
            (ErrorCode::NameUnknown, Theirs::NameUnknown),
            (ErrorCode::SizeInvalid, Theirs::SizeInvalid),
            (ErrorCode::Unauthorized, Theirs::Unauthorized),
            (ErrorCode::Denied, Theirs::Denied),
            (ErrorCode::Unsupported, Theirs::Unsupported),
            (ErrorCode::TooManyRequests, Theirs::TooManyRequests),
        ];
        for (ours, theirs) in table {
            assert_eq!(serde_json::json!(ours.as_str()), serde_json::to_value(theirs).unwrap());
        }
    }

    #[test]
    fn bodies_of_other_registries_are_read() {
        let body: ErrorBody = serde_json::from_str(
            r#"{"errors":[{"code":"ODD","message":"m","detail":{"a":1}},{"code":"BARE"}]}"#,
        )
        .unwrap();
        assert_eq!(body.errors[0].code, "ODD");
        assert_eq!(body.errors[1].message, "");
        let ours = ErrorBody::new(ErrorCode::Denied, "no");
        assert_eq!(
            serde_json::to_string(&ours).unwrap(),
            r#"{"errors":[{"code":"DENIED","message":"no"}]}"#
        );
    }
}
