//! How fast is a blob pushed, and what does it cost the server? Each push is a POST and one PUT with a
//! Content-Length, as the common clients do it; the kernel moves the bytes from the file to the socket.

use std::fs::File;
use std::time::{Duration, Instant};

use wharf_oci::{Endpoint, RepositoryName};

use crate::clients::{self, Budget};
use crate::content::{Blob, Blobs};
use crate::measurement::{self, Latency};
use crate::{Connection, LoadError, Measurement, Operation, ServerProcess, Target};

/// Pushes of blobs.
#[derive(Debug, Clone)]
pub struct Push {
    /// The registry.
    pub target: Target,
    /// The repository that is written.
    pub name: RepositoryName,
    /// What is pushed: number 0 and on.
    pub blobs: Blobs,
    /// Clients at once.
    pub clients: usize,
    /// Pushes in all.
    pub count: u64,
    /// All clients push one and the same blob.
    pub same: bool,
    /// The most time this may take; looked at between two pushes.
    pub time_max: Duration,
}

impl Push {
    /// Pushes. The latencies are those from the POST to the 201.
    ///
    /// # Errors
    /// When the registry does not take a blob.
    pub fn measure(
        &self,
        label: &str,
        server: Option<&ServerProcess>,
    ) -> Result<Measurement, LoadError> {
        let budget = Budget::new(self.count, self.time_max);
        let run = clients::run(
            self.clients,
            server,
            |_| Ok((Connection::open(&self.target)?, self.blobs.open()?)),
            |(mut connection, file)| {
                let mut micros = Vec::new();
                while budget.is_left()?
                    && let Some(number) = budget.take()
                {
                    let blob = self.blobs.blob(if self.same { 0 } else { number });
                    let started = Instant::now();
                    push_blob(&mut connection, &self.name, &self.blobs, &blob, &file)?;
                    micros.push(measurement::micros(started.elapsed()));
                }
                Ok(micros)
            },
        )?;
        let operation = if self.same { Operation::PushSame } else { Operation::Push };
        let mut measured = Measurement::new(label, operation, self.clients, run.time);
        measured.requests = Some(self.count);
        measured.bytes = Some(self.count * self.blobs.size());
        measured.latency = Latency::of(&mut run.results.concat());
        Ok(measured.with_usage(run.usage))
    }
}

/// Pushes one blob; `file` is the opened common start of `blobs`.
pub(crate) fn push_blob(
    connection: &mut Connection,
    name: &RepositoryName,
    blobs: &Blobs,
    blob: &Blob,
    file: &File,
) -> Result<(), LoadError> {
    upload(connection, name, &blob.digest.to_string(), blobs.size(), |connection| {
        connection.send_file(file, blobs.shared())?;
        connection.send_bytes(&blob.mark)
    })
}

/// Pushes bytes from memory as a blob.
pub(crate) fn push_bytes(
    connection: &mut Connection,
    name: &RepositoryName,
    bytes: &[u8],
) -> Result<wharf_oci::Digest, LoadError> {
    let digest = wharf_oci::Digest::of(wharf_oci::Algorithm::Sha256, bytes);
    upload(connection, name, &digest.to_string(), bytes.len() as u64, |connection| {
        connection.send_bytes(bytes)
    })?;
    Ok(digest)
}

fn upload(
    connection: &mut Connection,
    name: &RepositoryName,
    digest: &str,
    length: u64,
    send: impl FnOnce(&mut Connection) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let start =
        Endpoint::StartUpload { name: name.clone(), mount: None, digest: None, algorithm: None };
    let start = start.to_uri();
    connection.send("POST", &start, "Content-Length: 0\r\n")?;
    let head = connection.expect(202)?;
    connection.receive_body(&head, |_| true)?;
    let missing = || LoadError::LocationMissing { request: format!("POST {start}") };
    let location = path_of(&head.location.ok_or_else(missing)?).to_owned();
    let joint = if location.contains('?') { '&' } else { '?' };
    let headers = format!("Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n");
    connection.send("PUT", &format!("{location}{joint}digest={digest}"), &headers)?;
    let sent = send(connection);
    // A server that refuses in the middle has said why, and that is worth more than a broken pipe.
    let head = match (connection.expect(201), sent) {
        (Err(refused @ LoadError::Status { .. }), _) | (Err(refused), Ok(())) => {
            return Err(refused);
        }
        (_, Err(failed)) => return Err(failed),
        (Ok(head), Ok(())) => head,
    };
    connection.receive_body(&head, |_| true)
}

/// The path and query of a Location, which may be absolute.
pub(crate) fn path_of(location: &str) -> &str {
    match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => location,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_may_be_absolute() {
        for (location, path) in [
            ("/v2/a/blobs/uploads/1", "/v2/a/blobs/uploads/1"),
            ("http://127.0.0.1:5000/v2/a?_state=x", "/v2/a?_state=x"),
            ("http://127.0.0.1:5000", "/"),
        ] {
            assert_eq!(path_of(location), path);
        }
    }
}
