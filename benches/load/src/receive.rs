//! The limit of the pushes: what a receiver costs that does nothing but its duty. It takes the bytes from
//! the socket, writes them to a file, hashes them on another thread, starts the disk early, syncs once at
//! the end and compares the digest.
//!
//! It refuses to be a registry: no repository, no manifest, no upload that goes on after an error; nothing
//! that it took can be read back, and what it holds of a blob lies in one file that the caller removes.

#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "sync_file_range has no safe binding; it takes no pointers")
)]

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use wharf_oci::{Algorithm, Hasher};

use crate::asked::{self, Asked};
use crate::content::file_error;
use crate::{LoadError, Target};

/// Bytes taken from a socket and written at once.
const PIECE_BYTES: usize = 1 << 20;
/// Pieces of a blob that are under way between the two threads.
const PIECES: usize = 4;
/// Bytes after which the disk is started.
const WRITEOUT_BYTES: u64 = 8 << 20;
/// A number for each file.
static FILES: AtomicU64 = AtomicU64::new(0);

/// Takes pushes below `folder` until the process ends.
///
/// # Errors
/// When it cannot listen there, or the folder cannot be made.
pub fn serve(target: &Target, folder: &Path) -> Result<(), LoadError> {
    std::fs::create_dir_all(folder).map_err(|source| file_error("make", folder, source))?;
    let folder = folder.to_owned();
    asked::serve(target, move |stream| answer_all(stream, &folder))
}

fn answer_all(stream: TcpStream, folder: &Path) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(1 << 14, stream);
    while let Some(asked) = Asked::read(&mut reader)? {
        let answer = match asked.method.as_str() {
            "POST" => "202 Accepted\r\nLocation: /v2/receiver/blobs/uploads/1",
            "PUT" if receive(&mut reader, &asked, folder)? => "201 Created",
            "PUT" => "400 Bad Request",
            _ => "200 OK",
        };
        writer.write_all(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").as_bytes())?;
    }
    Ok(())
}

/// Takes a body; true when it is durable and has the digest that was claimed.
fn receive(reader: &mut impl Read, asked: &Asked, folder: &Path) -> io::Result<bool> {
    let path: PathBuf = folder.join(FILES.fetch_add(1, Ordering::Relaxed).to_string());
    let file = File::options().write(true).create_new(true).open(path)?;
    let digest = thread::scope(|scope| {
        let (full, pieces) = sync_channel::<Vec<u8>>(PIECES);
        let (empty, spare) = sync_channel::<Vec<u8>>(PIECES);
        if asked.length <= PIECE_BYTES as u64 {
            // One piece is hashed where it is: a thread would cost more than it wins.
            let mut hasher = Hasher::new(Algorithm::Sha256);
            let mut piece = vec![0; usize::try_from(asked.length).unwrap_or(PIECE_BYTES)];
            reader.read_exact(&mut piece)?;
            file.write_all_at(&piece, 0)?;
            hasher.update(&piece);
            return Ok::<_, io::Error>(hasher.finalize());
        }
        let hashed = scope.spawn(move || hash(&pieces, &empty));
        write(reader, &file, asked.length, &full, &spare)?;
        drop(full);
        hashed.join().map_err(|_| io::Error::other("the hashing thread ended"))
    })?;
    file.sync_data()?;
    Ok(digest.to_string() == asked.digest())
}

fn hash(pieces: &Receiver<Vec<u8>>, empty: &SyncSender<Vec<u8>>) -> wharf_oci::Digest {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    for piece in pieces {
        hasher.update(&piece);
        // Nobody takes it any more at the end of the body.
        let _ = empty.try_send(piece);
    }
    hasher.finalize()
}

/// From the socket to the file, and on to the hashing thread; a piece that was hashed is used again.
fn write(
    reader: &mut impl Read,
    file: &File,
    length: u64,
    full: &SyncSender<Vec<u8>>,
    spare: &Receiver<Vec<u8>>,
) -> io::Result<()> {
    let (mut written, mut begun, mut made) = (0, 0, 0);
    while written < length {
        let mut piece = match spare.try_recv() {
            Ok(piece) => piece,
            Err(_) if made > PIECES => spare.recv().map_err(io::Error::other)?,
            Err(_) => {
                made += 1;
                vec![0; PIECE_BYTES]
            }
        };
        let left = usize::try_from(length - written).unwrap_or(usize::MAX);
        piece.truncate(left);
        reader.read_exact(&mut piece)?;
        file.write_all_at(&piece, written)?;
        written += piece.len() as u64;
        if written - begun >= WRITEOUT_BYTES {
            begin_writeout(file, begun, written - begun);
            begun = written;
        }
        full.send(piece).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Starts the disk on a range; a hint, whose failure shows in the sync.
#[cfg(target_os = "linux")]
fn begin_writeout(file: &File, offset: u64, length: u64) {
    use std::os::fd::AsRawFd;

    let (offset, length) = (offset.cast_signed(), length.cast_signed());
    // SAFETY: the descriptor is open for the length of the call, and no memory is handed over.
    unsafe {
        libc::sync_file_range(file.as_raw_fd(), offset, length, libc::SYNC_FILE_RANGE_WRITE);
    }
}

/// Elsewhere the system decides by itself.
#[cfg(not(target_os = "linux"))]
fn begin_writeout(_file: &File, _offset: u64, _length: u64) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bytes_of_the_digest_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        for length in [7, PIECE_BYTES, 20 * PIECE_BYTES + 3] {
            let body: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            let digest = wharf_oci::Digest::of(Algorithm::Sha256, &body).to_string();
            for (digest, taken) in [(digest, true), (format!("sha256:{:064}", 0), false)] {
                let path = format!("/v2/a/blobs/uploads/1?digest={digest}");
                let asked = Asked { method: "PUT".to_owned(), path, length: length as u64 };
                assert_eq!(receive(&mut &body[..], &asked, folder.path()).unwrap(), taken);
            }
        }
        let largest = std::fs::read_dir(folder.path()).unwrap();
        let largest = largest.map(|entry| entry.unwrap().metadata().unwrap().len()).max();
        assert_eq!(largest, Some((20 * PIECE_BYTES + 3) as u64));
    }

    #[test]
    fn a_body_that_ends_early_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let asked = Asked { method: "PUT".to_owned(), path: String::new(), length: 3 << 20 };
        assert!(receive(&mut &[0; 100][..], &asked, folder.path()).is_err());
    }
}
