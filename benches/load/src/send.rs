//! The limit of the pulls: what a sender costs that does nothing but its duty. It answers a GET with the
//! file of that path below a folder, by one of the two ways in which a server can have the kernel send a
//! file that is in memory.
//!
//! It refuses to be a web server: no ranges, no types, no listings; what it cannot open is a 404.

#![expect(
    unsafe_code,
    reason = "a mapping is unsound only while its file shrinks; those of a benchmark stay as they are, \
              and their bytes are read by the kernel alone"
)]

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{Mmap, MmapOptions};

use crate::asked::{self, Asked};
use crate::stream::Stream;
use crate::{LoadError, Target};

/// How the bytes go from the file to the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By `write` from a mapping of the file: the kernel copies each byte once.
    Copy,
    /// By `sendfile`: the kernel hands on the pages.
    Sendfile,
}

/// Answers GETs and HEADs with the files below `folder` until the process ends.
///
/// # Errors
/// When it cannot listen there.
pub fn serve(target: &Target, folder: &Path, way: Way) -> Result<(), LoadError> {
    let sender = Sender { folder: folder.to_owned(), way, mapped: Mutex::default() };
    asked::serve(target, move |stream| sender.answer_all(stream))
}

struct Sender {
    folder: PathBuf,
    way: Way,
    /// Files that were sent from a mapping, mapped once and for all: to map a large one for each answer
    /// would be most of the work.
    mapped: Mutex<HashMap<PathBuf, Arc<Mmap>>>,
}

impl Sender {
    fn answer_all(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut writer = Stream::Plain(stream.try_clone()?);
        let mut reader = BufReader::with_capacity(1 << 14, stream);
        while let Some(asked) = Asked::read(&mut reader)? {
            let path = below(&self.folder, &asked.path);
            let length = path.as_ref().and_then(|path| path.metadata().ok());
            let length = length.filter(std::fs::Metadata::is_file).map(|found| found.len());
            // The one path that a client asks before any other, which is a folder here.
            let is_known = length.is_some() || asked.path == "/v2/";
            let status = if is_known { "200 OK" } else { "404 Not Found" };
            let length = length.unwrap_or(0);
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
            writer.write_all(head.as_bytes())?;
            if let Some(path) = path.filter(|_| asked.method == "GET" && length > 0) {
                self.send(&mut writer, path, length)?;
            }
        }
        Ok(())
    }

    fn send(&self, writer: &mut Stream, path: PathBuf, length: u64) -> io::Result<()> {
        match self.way {
            Way::Copy => writer.write_all(&self.mapping(path)?),
            Way::Sendfile => {
                let (file, mut sent) = (File::open(path)?, 0);
                while sent < length {
                    sent += writer.send_file(&file, sent, length - sent)?;
                }
                Ok(())
            }
        }
    }

    fn mapping(&self, path: PathBuf) -> io::Result<Arc<Mmap>> {
        let mut mapped = self.mapped.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mapping) = mapped.get(&path) {
            return Ok(Arc::clone(mapping));
        }
        // SAFETY: see the reason at the head of the file.
        let mapping = unsafe { MmapOptions::new().populate().map(&File::open(&path)?) }?;
        let mapping = Arc::new(mapping);
        mapped.insert(path, Arc::clone(&mapping));
        Ok(mapping)
    }
}

/// The file that a path names; `None` where it would lead out of the folder.
fn below(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path.strip_prefix('/')?);
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
    is_below.then(|| folder.join(path))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    fn ask(folder: &Path, way: Way, requests: &str) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(requests.as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let server = listener.accept().unwrap().0;
        std::thread::scope(|scope| {
            let folder = folder.to_owned();
            let sender = Sender { folder, way, mapped: Mutex::default() };
            scope.spawn(move || sender.answer_all(server).unwrap());
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            answer
        })
    }

    #[test]
    fn a_file_is_sent_whole_by_both_ways() {
        let folder = tempfile::tempdir().unwrap();
        let body: Vec<u8> = (0..20 << 20).map(|index: u32| (index % 251) as u8).collect();
        std::fs::write(folder.path().join("blob"), &body).unwrap();
        for way in [Way::Copy, Way::Sendfile] {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let requests = "HEAD /blob HTTP/1.1\r\n\r\nGET /blob HTTP/1.1\r\nHost: a\r\n\r\n";
            let answer = ask(folder.path(), way, requests);
            assert!(answer == [head.as_bytes(), head.as_bytes(), &body].concat(), "{way:?}");
        }
    }

    #[test]
    fn nothing_is_sent_from_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["/../etc/passwd", "//etc/passwd", "/absent", "/", "etc/passwd"] {
            let answer = ask(folder.path(), Way::Copy, &format!("GET {path} HTTP/1.1\r\n\r\n"));
            assert_eq!(answer, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "{path}");
        }
    }
}
