//! In what a registry differs from the distribution spec. The default is: in nothing.

use http::StatusCode;

#[derive(Debug, Clone)]
pub(crate) struct Behaviour {
    pub(crate) access: Access,
    pub(crate) uploads: Uploads,
    /// Whether who asks for a blob is sent elsewhere for it.
    pub(crate) redirects_blobs: bool,
    pub(crate) chunks: Chunks,
    /// The largest body of a request, in bytes; a larger one is answered 413.
    pub(crate) request_bytes_max: usize,
    /// What is said to a mount of something that is not there, instead of beginning an upload.
    pub(crate) mount_refusal: Option<StatusCode>,
    /// Which media types a manifest's layers may have.
    pub(crate) takes_layer: fn(&str) -> bool,
    /// How many requests are answered 429 before the first that is not.
    pub(crate) refused_for_rate: usize,
    /// How many uploads are cut off, each once it has brought more than `cut_after_bytes`.
    pub(crate) cuts: usize,
    pub(crate) cut_after_bytes: usize,
}

/// Who is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Open,
    Basic,
    Tokens,
}

/// Where uploads go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uploads {
    Here,
    Elsewhere,
}

/// How uploads in chunks are dealt with.
#[derive(Debug, Clone)]
pub(crate) struct Chunks {
    /// What is said to every `PATCH`, and to the question where an upload stands.
    pub(crate) refusal: Option<StatusCode>,
    /// What is said to a good one.
    pub(crate) answer: StatusCode,
    /// The most bytes with a `Content-Range`; more is answered 416.
    pub(crate) ranged_bytes_max: u64,
    /// Whether a `Content-Range` is looked at; else what comes is added to what there is.
    pub(crate) checks_range: bool,
    /// Whether `Range` stands still after the first request.
    pub(crate) range_sticks: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            access: Access::Open,
            uploads: Uploads::Here,
            redirects_blobs: false,
            chunks: Chunks::default(),
            request_bytes_max: usize::MAX,
            mount_refusal: None,
            takes_layer: |_| true,
            refused_for_rate: 0,
            cuts: 0,
            cut_after_bytes: 0,
        }
    }
}

impl Default for Chunks {
    fn default() -> Self {
        Self {
            refusal: None,
            answer: StatusCode::ACCEPTED,
            ranged_bytes_max: u64::MAX,
            checks_range: true,
            range_sticks: false,
        }
    }
}
