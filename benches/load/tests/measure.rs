//! Each measurement against a registry that is just large enough for it, and counts what it is asked.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use wharf_load::{Image, LoadError, Mixed, Pull, Push, Request, Requests, Source, Target};
use wharf_oci::{Algorithm, Digest, RepositoryName, Tag};

const TIME_MAX: Duration = Duration::from_secs(60);

/// A registry in memory: blobs and manifests by the last part of their path.
#[derive(Clone, Default)]
struct Registry {
    stored: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    /// `METHOD path` of each request, queries cut off.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    fn start(&self) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let registry = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let registry = registry.clone();
                thread::spawn(move || registry.serve(&stream));
            }
        });
        Target::resolve(&address.to_string(), false).unwrap()
    }

    /// Answers requests until the client goes.
    fn serve(&self, stream: &TcpStream) {
        let (mut reader, mut writer) = (BufReader::new(stream), stream);
        loop {
            let mut head = Vec::new();
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                head.push(std::mem::take(&mut line));
            }
            let Some(first) = head.first() else { return };
            let words: Vec<&str> = first.split(' ').collect();
            let length = |line: &String| line.strip_prefix("Content-Length: ")?.trim().parse().ok();
            let mut body = vec![0; head.iter().find_map(length).unwrap_or(0)];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            if writer.write_all(&self.answer(words[0], words[1], body)).is_err() {
                return;
            }
        }
    }

    fn answer(&self, method: &str, uri: &str, body: Vec<u8>) -> Vec<u8> {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        self.asked.lock().unwrap().push(format!("{method} {path}"));
        let key = path.rsplit('/').next().unwrap();
        let mut stored = self.stored.lock().unwrap();
        let (status, location, content) = match method {
            "POST" => ("202 Accepted", "Location: http://localhost/v2/a/blobs/uploads/1\r\n", None),
            "PUT" => {
                let claimed =
                    query.strip_prefix("digest=").map(|digest| digest.replace("%3A", ":"));
                let found = Digest::of(Algorithm::Sha256, &body).to_string();
                match claimed {
                    Some(claimed) if claimed != found => ("400 Bad Request", "", None),
                    claimed => {
                        stored.insert(claimed.unwrap_or_else(|| key.to_owned()), body);
                        ("201 Created", "", None)
                    }
                }
            }
            _ => match stored.get(key) {
                Some(bytes) => ("200 OK", "", Some(bytes.clone())),
                None => ("404 Not Found", "", None),
            },
        };
        let content = content.unwrap_or_default();
        let length = content.len();
        let mut answer =
            format!("HTTP/1.1 {status}\r\n{location}Content-Length: {length}\r\n\r\n").into_bytes();
        if method != "HEAD" {
            answer.extend(content);
        }
        answer
    }

    fn count(&self, start: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.starts_with(start)).count()
    }
}

fn name() -> RepositoryName {
    "bench/load".parse().unwrap()
}

#[test]
fn an_image_is_pushed_pulled_and_asked_for() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::default());
    let target = registry.start();
    let source = Source::create(&folder.path().join("source"), 3_000_000).unwrap();
    let blobs = source.blobs(3_000_000, 1).unwrap();
    let tag: Tag = "latest".parse().unwrap();
    let image = Image::push(&target, name(), tag.clone(), &blobs, 2).unwrap();
    assert_eq!(registry.count("PUT"), 4);
    let manifest = registry.stored.lock().unwrap()["latest"].clone();
    assert_eq!(image.manifest, Digest::of(Algorithm::Sha256, &manifest));

    let pull = Pull {
        target: target.clone(),
        name: name(),
        digest: image.layers[1],
        clients: 3,
        bytes_max: 9_000_000,
        whole: None,
        time_max: TIME_MAX,
        verify: true,
    };
    let measured = pull.measure("ours", None).unwrap();
    // The clients stop within one read of the budget.
    let bytes = measured.bytes.unwrap();
    assert!((9_000_000..9_000_000 + (3 << 20)).contains(&bytes), "{bytes}");

    for (request, method) in [
        (Request::GetManifest(tag.clone()), "GET"),
        (Request::HeadManifest(tag), "HEAD"),
        (Request::GetBlob(image.layers[0]), "GET"),
        (Request::HeadBlob(image.configuration), "HEAD"),
    ] {
        let before = registry.count(method);
        let requests = Requests {
            target: target.clone(),
            name: name(),
            request,
            connections: 4,
            time: TIME_MAX,
            count_max: 50,
        };
        assert_eq!(requests.measure("ours", None).unwrap().requests, Some(50));
        assert_eq!(registry.count(method) - before, 50);
    }
}

#[test]
fn pushes_differ_unless_they_shall_not() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::default());
    let target = registry.start();
    let source = Source::create(&folder.path().join("source"), 100_000).unwrap();
    let blobs = source.blobs(100_000, 1).unwrap();
    let push = Push {
        target: target.clone(),
        name: name(),
        blobs: blobs.clone(),
        clients: 2,
        count: 6,
        same: true,
        time_max: TIME_MAX,
    };
    assert_eq!(push.measure("ours", None).unwrap().requests, Some(6));
    assert_eq!(registry.stored.lock().unwrap().len(), 1);
    Push { same: false, ..push }.measure("ours", None).unwrap();
    assert_eq!(registry.stored.lock().unwrap().len(), 6);

    let digest = blobs.blob(0).digest;
    let blobs = source.blobs(100_000, 2).unwrap();
    let mixed = Mixed { target, name: name(), digest, blobs, pulls: 5, pushes: 3 };
    assert_eq!(mixed.measure("ours", None).unwrap().bytes, Some(800_000));
    assert_eq!(registry.stored.lock().unwrap().len(), 9);
}

#[test]
fn wrong_bytes_and_refusals_end_a_measurement() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::default());
    let target = registry.start();
    let source = Source::create(&folder.path().join("source"), 1000).unwrap();
    let digest = source.blobs(1000, 1).unwrap().blob(0).digest;
    let pull = Pull {
        target,
        name: name(),
        digest,
        clients: 1,
        bytes_max: 2000,
        whole: None,
        time_max: TIME_MAX,
        verify: true,
    };
    let refused = pull.measure("ours", None).unwrap_err();
    assert!(matches!(refused, LoadError::Status { status: 404, .. }), "{refused}");
    registry.stored.lock().unwrap().insert(digest.to_string(), b"other bytes".to_vec());
    let corrupt = pull.measure("ours", None).unwrap_err();
    assert!(matches!(corrupt, LoadError::Corrupt { .. }), "{corrupt}");
}

/// A server that gives each connection one of these answers after each of its requests, in their order.
fn scripted(answers: Vec<String>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (mut reader, mut writer) = (BufReader::new(&stream), &stream);
            for answer in &answers {
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    line.clear();
                }
                if writer.write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    address
}

fn pull_of(target: Target, bytes: &[u8]) -> Pull {
    Pull {
        target,
        name: "a/b".parse().unwrap(),
        digest: Digest::of(Algorithm::Sha256, bytes),
        clients: 1,
        bytes_max: 1000,
        whole: Some(Duration::ZERO),
        time_max: TIME_MAX,
        verify: true,
    }
}

#[test]
fn one_redirection_is_followed_and_chunks_are_read() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                  5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: t\r\n\r\n";
    let there = scripted(vec![chunks.to_owned()]);
    let redirection = |to: std::net::SocketAddr| {
        format!("HTTP/1.1 307 Gone\r\nLocation: http://{to}/x?y\r\nContent-Length: 0\r\n\r\n")
    };
    let here = scripted(vec![redirection(there)]);
    let target =
        |address: std::net::SocketAddr| Target::resolve(&address.to_string(), false).unwrap();
    for asked in [there, here] {
        let measured = pull_of(target(asked), b"hello world").measure("a", None).unwrap();
        assert_eq!((measured.bytes, measured.requests), (Some(11), Some(1)));
    }
    let wrong = pull_of(target(here), b"hello, world").measure("a", None);
    assert!(matches!(wrong, Err(LoadError::Corrupt { .. })), "{wrong:?}");
    let twice = pull_of(target(scripted(vec![redirection(here)])), b"x").measure("a", None);
    assert!(matches!(twice, Err(LoadError::Redirections { .. })), "{twice:?}");
}
