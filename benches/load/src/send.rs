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

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::path::{Component, Path, PathBuf};

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
    let folder = folder.to_owned();
    asked::serve(target, move |stream| answer_all(stream, &folder, way))
}

fn answer_all(stream: TcpStream, folder: &Path, way: Way) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = Stream::Plain(stream.try_clone()?);
    let mut reader = BufReader::with_capacity(1 << 14, stream);
    while let Some(asked) = Asked::read(&mut reader)? {
        let found = below(folder, &asked.path).and_then(|path| File::open(path).ok());
        let file = found.filter(|file| file.metadata().is_ok_and(|found| found.is_file()));
        let length =
            file.as_ref().map_or(Ok(0), |file| file.metadata().map(|found| found.len()))?;
        // The one path that a client asks before any other, which is a folder here.
        let status =
            if file.is_some() || asked.path == "/v2/" { "200 OK" } else { "404 Not Found" };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
        writer.write_all(head.as_bytes())?;
        if let Some(file) = file.filter(|_| asked.method == "GET" && length > 0) {
            send(&mut writer, &file, length, way)?;
        }
    }
    Ok(())
}

/// The file that a path names; `None` where it would lead out of the folder.
fn below(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path.strip_prefix('/')?);
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
    is_below.then(|| folder.join(path))
}

fn send(writer: &mut Stream, file: &File, length: u64, way: Way) -> io::Result<()> {
    match way {
        Way::Copy => {
            // SAFETY: see the reason at the head of the file.
            let mapping = unsafe { memmap2::MmapOptions::new().populate().map(file) }?;
            writer.write_all(&mapping)
        }
        Way::Sendfile => {
            let mut sent = 0;
            while sent < length {
                sent += writer.send_file(file, sent, length - sent)?;
            }
            Ok(())
        }
    }
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
            scope.spawn(|| answer_all(server, folder, way).unwrap());
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
