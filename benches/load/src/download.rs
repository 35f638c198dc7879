//! One GET whose body is read to its end and checked: of a manifest, or of a blob, which a registry may
//! keep at another host.

use std::time::{Duration, Instant};

use wharf_oci::{Digest, Hasher};

use crate::push::path_of;
use crate::requests::ACCEPT;
use crate::{Connection, LoadError, Target};

/// What came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Downloaded {
    /// Bytes of the body.
    pub(crate) bytes: u64,
    /// From the request to the first byte of the answer that has the body.
    pub(crate) first_byte: Duration,
}

/// GETs a path and follows one redirection; hands each piece to `each` until that says no, and fails
/// when a whole body is not that of `digest`, if one is given.
pub(crate) fn get(
    target: &Target,
    connection: &mut Connection,
    path: &str,
    digest: Option<Digest>,
    each: impl FnMut(&[u8]) -> Result<bool, LoadError>,
) -> Result<Downloaded, LoadError> {
    let started = Instant::now();
    connection.send("GET", path, ACCEPT)?;
    let head = connection.answer()?;
    if !head.is_redirection() {
        let head = connection.accept(head, 200)?;
        let bytes = read(connection, &head, digest, each)?;
        return Ok(Downloaded { bytes, first_byte: connection.first_byte() });
    }
    connection.receive_body(&head, |_| true)?;
    let request = format!("GET {path}");
    let location =
        head.location.ok_or_else(|| LoadError::LocationMissing { request: request.clone() })?;
    let mut other;
    let there = match location.contains("://") {
        true => {
            let (elsewhere, path) = target.redirected(&location)?;
            other = Connection::open(&elsewhere)?;
            other.send("GET", &path, "")?;
            &mut other
        }
        false => {
            connection.send("GET", path_of(&location), ACCEPT)?;
            connection
        }
    };
    let head = there.answer()?;
    if matches!(head.status, 300..=399) {
        return Err(LoadError::Redirections { request });
    }
    let head = there.accept(head, 200)?;
    let first_byte = started.elapsed();
    let bytes = read(there, &head, digest, each)?;
    Ok(Downloaded { bytes, first_byte })
}

fn read(
    connection: &mut Connection,
    head: &crate::head::Head,
    digest: Option<Digest>,
    mut each: impl FnMut(&[u8]) -> Result<bool, LoadError>,
) -> Result<u64, LoadError> {
    let mut hasher = digest.map(|digest| Hasher::new(digest.algorithm()));
    let (mut bytes, mut goes_on) = (0, Ok(true));
    connection.receive_body(head, |piece| {
        bytes += piece.len() as u64;
        if let Some(hasher) = &mut hasher {
            hasher.update(piece);
        }
        goes_on = each(piece);
        matches!(goes_on, Ok(true))
    })?;
    // One that was left in the middle has no digest; one that ended with the last piece has.
    let is_whole = goes_on? || (!head.is_chunked && bytes == head.body);
    if let (Some(hasher), Some(expected), true) = (hasher, digest, is_whole) {
        let found = hasher.finalize();
        if found != expected {
            return Err(LoadError::Corrupt { expected: expected.into(), found: found.into() });
        }
    }
    Ok(bytes)
}
