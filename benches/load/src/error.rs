//! What ends a measurement early. Nothing here is retried: a measurement with a retry in it measures
//! something else.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Why a measurement did not finish.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The text is no `HOST:PORT` that resolves.
    #[error("`{text}` is no address: give HOST:PORT, as in 127.0.0.1:5000")]
    Address {
        /// What was given.
        text: String,
        /// What the resolver said, when it was asked.
        #[source]
        source: Option<io::Error>,
    },
    /// The address is not on this machine, and nobody said that this is meant.
    #[error("{address} is not on loopback: a load test is aimed elsewhere only with --yes")]
    NotLoopback {
        /// The address that was given.
        address: SocketAddr,
    },
    /// No connection could be opened.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A connection failed in the middle of a request or an answer.
    #[error("the connection failed during {request}")]
    Connection {
        /// The request, as `METHOD path`.
        request: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The answer is HTTP that this client does not speak, or no HTTP at all.
    #[error("the answer to {request} cannot be read: {fault}")]
    Answer {
        /// The request, as `METHOD path`.
        request: String,
        /// What is wrong with it.
        fault: HeadFault,
    },
    /// The registry answered, but not what was expected.
    #[error("{request} was answered {status} instead of {expected}: {body}")]
    Status {
        /// The request, as `METHOD path`.
        request: String,
        /// The status that came.
        status: u16,
        /// The status that a healthy registry gives.
        expected: u16,
        /// The start of the answer's body.
        body: String,
    },
    /// An answer lacks the header that the next step needs.
    #[error("the answer to {request} has no Location")]
    LocationMissing {
        /// The request, as `METHOD path`.
        request: String,
    },
    /// What was pulled is not what was asked for.
    #[error("the bytes pulled hash to {found}, not to {expected}")]
    Corrupt {
        /// The digest that was asked for.
        expected: Box<wharf_oci::Digest>,
        /// The digest of what came.
        found: Box<wharf_oci::Digest>,
    },
    /// The registry leads on and on.
    #[error("{request} was led elsewhere twice: one redirection is followed")]
    Redirections {
        /// The request, as `METHOD path`.
        request: String,
    },
    /// What came as a manifest is none.
    #[error("the answer to {request} is no manifest")]
    Manifest {
        /// The request, as `METHOD path`.
        request: String,
        /// What is wrong with it.
        #[source]
        source: Box<wharf_oci::ManifestError>,
    },
    /// The image is not there for the platform that is asked for.
    #[error("there is no image for {platform} in it")]
    Platform {
        /// The platform, as `os/architecture`.
        platform: String,
    },
    /// Somebody ended the measurement.
    #[error("ended from outside")]
    Stopped,
    /// The measurement took longer than it may.
    #[error("not finished within {limit:?}: give it more time or less work")]
    Overtime {
        /// The limit that was passed.
        limit: Duration,
    },
    /// A file of ours could not be read or written.
    #[error("cannot {operation} {path}")]
    File {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A line of results is not a measurement.
    #[error("line {line} of {path} is no measurement")]
    Results {
        /// The file of results.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A list that is not whole.
    #[error("{request} gave {found} names instead of {expected}")]
    List {
        /// The request for the first page.
        request: String,
        /// Names that came.
        found: usize,
        /// Names that were stored.
        expected: usize,
    },
    /// The server that was to be started was not.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The process named as the server cannot be looked at.
    #[error("process {pid} cannot be looked at: is it the server, and is this Linux?")]
    Process {
        /// The process id that was given.
        pid: u32,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// What makes the head of an answer unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// It does not start like HTTP/1.
    #[error("it is not HTTP/1")]
    NotHttp,
    /// Its head is longer than [`crate::head::HEAD_BYTES_MAX`].
    #[error("its head does not end")]
    TooLong,
    /// Neither a length nor a status without a body.
    #[error("it announces no length")]
    LengthMissing,
    /// Its body comes in chunks, where only whole bodies are read.
    #[error("its body comes in chunks, which a measurement of small requests does not read")]
    Chunked,
    /// Its body comes in chunks that are none.
    #[error("its chunks cannot be read")]
    ChunkMalformed,
}
