//! How many small requests does the server answer in a second, and how long does each take?
//!
//! One thread polls all connections, each with one request under way: a thread per connection would
//! spend on switching what the server should have.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wharf_oci::{Digest, Endpoint, Reference, RepositoryName, Tag};

use crate::connection::{SILENCE_MAX, render};
use crate::error::HeadFault;
use crate::head::{HEAD_BYTES_MAX, Head};
use crate::measurement::Latency;
use crate::stream::Stream;
use crate::{LoadError, Measurement, Operation, ServerProcess, Stop, Target};

/// What containerd accepts when it asks for a manifest; sent with every request.
pub(crate) const ACCEPT: &str = "Accept: application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*\r\n";
/// Bytes of an answer read at once.
const ANSWER_BYTES: usize = 2 * HEAD_BYTES_MAX;

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Request {
    /// GET of a manifest by tag.
    GetManifest(Tag),
    /// HEAD of a manifest by tag.
    HeadManifest(Tag),
    /// GET of a blob.
    GetBlob(Digest),
    /// HEAD of a blob.
    HeadBlob(Digest),
}

/// The same request again and again.
#[derive(Debug, Clone)]
pub struct Requests {
    /// The registry.
    pub target: Target,
    /// The repository.
    pub name: RepositoryName,
    /// What is asked for.
    pub request: Request,
    /// Connections at once.
    pub connections: usize,
    /// No request starts after this time.
    pub time: Duration,
    /// Requests in all, at most.
    pub count_max: usize,
}

impl Requests {
    /// Asks.
    ///
    /// # Errors
    /// When an answer is not a 200, nor for a blob a redirection, or a connection ends.
    pub fn measure(
        &self,
        label: &str,
        server: Option<&ServerProcess>,
    ) -> Result<Measurement, LoadError> {
        let (operation, endpoint) = self.request.endpoint(&self.name);
        let (method, path) = (endpoint.method().to_string(), endpoint.to_uri());
        let asked = Asked {
            text: render(
                &method,
                &path,
                self.target.host(),
                &format!("{}{ACCEPT}", self.target.headers()),
            ),
            stop: self.target.stop().clone(),
            bodiless: method == "HEAD",
            may_be_elsewhere: matches!(self.request, Request::GetBlob(_) | Request::HeadBlob(_)),
            name: format!("{method} {path}"),
        };
        let mut slots = (0..self.connections)
            .map(|_| Slot::open(&self.target))
            .collect::<Result<Vec<_>, _>>()?;
        let mut micros = Vec::with_capacity(self.count_max);
        let watch = server.map(ServerProcess::watch).transpose()?;
        let started = Instant::now();
        self.ask(&mut slots, &asked, started, &mut micros)?;
        let time = started.elapsed();
        let usage = watch.map(crate::server::Watch::end).transpose()?;
        let mut measured = Measurement::new(label, operation, self.connections, time);
        measured.requests = Some(micros.len() as u64);
        measured.latency = Latency::of(&mut micros);
        Ok(measured.with_usage(usage))
    }

    /// Keeps one request under way on each connection until time or count are over, then waits for the
    /// answers that are still to come.
    fn ask(
        &self,
        slots: &mut [Slot],
        asked: &Asked,
        started: Instant,
        micros: &mut Vec<u32>,
    ) -> Result<(), LoadError> {
        let mut sent = 0;
        for slot in &mut *slots {
            slot.send(asked)?;
            sent += 1;
        }
        let mut waiting = slots.len();
        while waiting > 0 {
            asked.stop.check()?;
            for index in readable(slots, asked)? {
                let slot = &mut slots[index];
                if !slot.receive(asked)? {
                    continue;
                }
                let now = Instant::now();
                let took = now.duration_since(slot.sent).as_micros();
                micros.push(u32::try_from(took).unwrap_or(u32::MAX));
                if sent < self.count_max && now.duration_since(started) < self.time {
                    slot.send(asked)?;
                    sent += 1;
                } else {
                    slot.done = true;
                    waiting -= 1;
                }
            }
        }
        Ok(())
    }
}

impl Request {
    fn endpoint(&self, name: &RepositoryName) -> (Operation, Endpoint) {
        let name = name.clone();
        match self {
            Self::GetManifest(tag) => {
                let reference = Reference::Tag(tag.clone());
                (Operation::GetManifest, Endpoint::GetManifest { name, reference })
            }
            Self::HeadManifest(tag) => {
                let reference = Reference::Tag(tag.clone());
                (Operation::HeadManifest, Endpoint::HeadManifest { name, reference })
            }
            Self::GetBlob(digest) => {
                (Operation::GetBlob, Endpoint::GetBlob { name, digest: *digest })
            }
            Self::HeadBlob(digest) => {
                (Operation::HeadBlob, Endpoint::HeadBlob { name, digest: *digest })
            }
        }
    }
}

/// The request as it goes over the wire.
struct Asked {
    text: String,
    bodiless: bool,
    /// A registry that keeps blobs at another host answers by saying where: that is its whole work.
    may_be_elsewhere: bool,
    stop: Stop,
    /// `METHOD path`, for errors.
    name: String,
}

impl Asked {
    fn failed(&self, source: io::Error) -> LoadError {
        LoadError::Connection { request: self.name.clone(), source }
    }
}

/// One connection.
struct Slot {
    stream: Stream,
    buffer: Vec<u8>,
    filled: usize,
    /// Bytes of the answer's body still to come, once its head was read.
    body: Option<u64>,
    sent: Instant,
    done: bool,
}

impl Slot {
    fn open(target: &Target) -> Result<Self, LoadError> {
        let address = target.address();
        let connect = || {
            let stream = Stream::open(target)?;
            stream.set_nonblocking()?;
            Ok(stream)
        };
        let stream = connect().map_err(|source| LoadError::Connect { address, source })?;
        let buffer = vec![0; ANSWER_BYTES];
        Ok(Self { stream, buffer, filled: 0, body: None, sent: Instant::now(), done: false })
    }

    /// The request is far smaller than the socket's buffer, and that is empty: it is taken whole.
    fn send(&mut self, asked: &Asked) -> Result<(), LoadError> {
        self.sent = Instant::now();
        self.stream.write_all(asked.text.as_bytes()).map_err(|source| asked.failed(source))
    }

    /// Takes what has come; true when the answer is whole.
    fn receive(&mut self, asked: &Asked) -> Result<bool, LoadError> {
        loop {
            let received = self.receive_once(asked)?;
            // What TLS holds back no poll shows.
            if received != Some(false) || !self.stream.is_buffered() {
                return Ok(received == Some(true));
            }
        }
    }

    /// Takes what has come once: whether the answer is whole, or `None` when nothing came.
    fn receive_once(&mut self, asked: &Asked) -> Result<Option<bool>, LoadError> {
        let received = match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => return Err(asked.failed(io::ErrorKind::UnexpectedEof.into())),
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(asked.failed(error)),
        };
        let left = match self.body {
            Some(left) => left.saturating_sub(received as u64),
            None => {
                self.filled += received;
                let head = Head::parse(&self.buffer[..self.filled], asked.bodiless)
                    .map_err(|fault| LoadError::Answer { request: asked.name.clone(), fault })?;
                let Some((head, start)) = head else { return Ok(Some(false)) };
                let body = &self.buffer[start..self.filled];
                self.filled = 0;
                if head.status != 200 && !(asked.may_be_elsewhere && head.is_redirection()) {
                    return Err(LoadError::Status {
                        request: asked.name.clone(),
                        status: head.status,
                        expected: 200,
                        body: String::from_utf8_lossy(body).into_owned(),
                    });
                }
                if head.is_chunked {
                    let (request, fault) = (asked.name.clone(), HeadFault::Chunked);
                    return Err(LoadError::Answer { request, fault });
                }
                head.body.saturating_sub(body.len() as u64)
            }
        };
        self.body = (left > 0).then_some(left);
        Ok(Some(left == 0))
    }
}

/// The connections on which something has come.
fn readable(slots: &[Slot], asked: &Asked) -> Result<Vec<usize>, LoadError> {
    let waiting: Vec<usize> = (0..slots.len()).filter(|index| !slots[*index].done).collect();
    let mut polled: Vec<PollFd<'_>> =
        waiting.iter().map(|index| PollFd::new(&slots[*index].stream, PollFlags::IN)).collect();
    let silence = Timespec { tv_sec: SILENCE_MAX.as_secs().cast_signed(), tv_nsec: 0 };
    loop {
        match poll(&mut polled, Some(&silence)) {
            Ok(0) => return Err(asked.failed(io::ErrorKind::TimedOut.into())),
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(asked.failed(error.into())),
        }
    }
    let ready = waiting.iter().zip(&polled).filter(|(_, polled)| !polled.revents().is_empty());
    Ok(ready.map(|(index, _)| *index).collect())
}
