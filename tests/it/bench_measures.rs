//! `wharf bench` as a person runs it: the built program against real registries. What is shown is what
//! it measures, in which order, that it notices what is wrong, and that it leaves nothing behind or says
//! what; never how fast anything is.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Process, Server, has_program, program};

/// `wharf bench` in a home of its own; its exit code, stdout and stderr.
fn bench(words: &[&str]) -> (i32, String, String) {
    let home = TempDir::new().unwrap();
    let mut command = Command::new(program());
    command.arg("bench").args(words).env_clear().stdin(Stdio::null()).current_dir(home.path());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home.path()).env("TMPDIR", home.path());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// The measurements that a run gives as CSV: server, operation and clients of each, in their order.
fn measured(words: &[&str]) -> (Vec<(String, String, usize)>, String) {
    let (code, json, said) = bench(&[words, &["--json"]].concat());
    assert_eq!(code, 0, "{said}");
    let json: Value = serde_json::from_str(&json).unwrap();
    let list = json.as_array().or_else(|| json["measurements"].as_array()).unwrap();
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let clients = |it: &Value| usize::try_from(it["clients"].as_u64().unwrap()).unwrap();
    let cells = list.iter().map(|it| (text(&it["server"]), text(&it["operation"]), clients(it)));
    (cells.collect(), said)
}

/// A docker-registry, which refuses every DELETE unless it is told otherwise.
fn docker_registry(folder: &TempDir) -> (Process, SocketAddr) {
    let root = folder.path().display();
    let config = format!(
        "version: 0.1\nlog: {{level: info}}\nhttp: {{addr: '127.0.0.1:0'}}\n\
         storage: {{filesystem: {{rootdirectory: '{root}'}}}}\n"
    );
    let path = folder.path().join("config.yml");
    fs::write(&path, config).unwrap();
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(path).env("OTEL_TRACES_EXPORTER", "none");
    let mut process = Process::spawn(command);
    let address = process.address();
    (process, address)
}

#[test]
fn blobs_are_pulled_by_as_many_clients_as_asked_and_are_gone_afterwards() {
    let server = Server::start();
    let (address, pid) = (server.address().to_string(), server.pid().to_string());
    let words = ["pull", "--registry", &address, "--blob-size", "64KiB,1MiB", "--clients", "1,3"];
    let short = ["--seconds", "0.05", "--rounds", "2", "--server-pid", &pid];
    let (code, json, said) = bench(&[&words[..], &short, &["--json"]].concat());
    assert_eq!(code, 0, "{said}");
    let json: Value = serde_json::from_str(&json).unwrap();
    let list = json.as_array().or_else(|| json["measurements"].as_array()).unwrap();
    let cells: Vec<_> = list
        .iter()
        .map(|it| {
            assert_eq!(
                (&it["operation"], &it["server"]),
                (&"pull".into(), &address.as_str().into())
            );
            // Every pull is whole.
            let (bytes, size) = (it["bytes"].as_u64().unwrap(), it["size"].as_u64().unwrap());
            assert_eq!(bytes, size * it["requests"].as_u64().unwrap(), "{it}");
            for field in ["latency", "first_byte", "cpu_seconds", "private_bytes_max"] {
                assert!(!it[field].is_null(), "{field}: {it}");
            }
            (size, it["clients"].as_u64().unwrap(), it["round"].as_u64().unwrap())
        })
        .collect();
    let (small, large) = (64 << 10, 1 << 20);
    let wanted: Vec<_> = [(small, 1), (small, 3), (large, 1), (large, 3)]
        .into_iter()
        .flat_map(|(size, clients)| [(size, clients, 1), (size, clients, 2)])
        .collect();
    assert_eq!(cells, wanted);
    let catalog = server.get("/v2/_catalog").send();
    assert_eq!(catalog.json()["repositories"], Value::Array(Vec::new()), "{said}");
}

#[test]
fn registries_take_turns_and_one_that_refuses_to_delete_is_named() {
    if !has_program("docker-registry", "wharf bench with two kinds of registry") {
        return;
    }
    let (server, folder) = (Server::start(), TempDir::new().unwrap());
    let (_process, other) = docker_registry(&folder);
    let (first, second) = (format!("a={}", server.address()), format!("b={other}"));
    let words = ["push", "--registry", &first, "--against", &second, "--blob-size", "1KiB"];
    let (cells, said) = measured(&[&words[..], &["--rounds", "2", "--clients", "2"]].concat());
    let cell = |server: &str| (server.to_owned(), "push".to_owned(), 2);
    assert_eq!(cells, [cell("a"), cell("b"), cell("a"), cell("b")], "{said}");
    assert!(said.contains("b: of the repository wharf-bench/"), "{said}");
    assert!(said.contains("6 blobs: DELETE was answered 405"), "{said}");
    assert!(!said.contains("a: of the repository"), "{said}");
}

#[test]
fn small_requests_and_images_are_measured_at_both_kinds_of_registry() {
    let (server, folder) = (Server::start(), TempDir::new().unwrap());
    let docker = has_program("docker-registry", "wharf bench requests at docker-registry")
        .then(|| docker_registry(&folder));
    let others = docker.iter().map(|(_, address)| *address);
    for address in [server.address()].into_iter().chain(others) {
        let address = address.to_string();
        let words = ["requests", "--registry", &address, "--connections", "4", "--rounds", "1"];
        let (cells, _) = measured(&[&words[..], &["--seconds", "0.05"]].concat());
        let operations: Vec<_> = cells.iter().map(|(_, operation, _)| operation.as_str()).collect();
        assert_eq!(operations, ["get-manifest", "head-manifest", "get-blob", "head-blob"]);
    }
    // What stays at the registry that deletes nothing is an image that can be pulled.
    if let Some((_, address)) = docker {
        let catalog = crate::wire::Request::new(address, "GET", "/v2/_catalog".to_owned()).send();
        let catalog = catalog.json();
        let name = catalog["repositories"][0].as_str().unwrap();
        let reference = format!("{address}/{name}:b1024");
        let words = ["pull", &reference, "--clients", "2", "--rounds", "1", "--seconds", "0.05"];
        let (cells, _) = measured(&words);
        assert_eq!(cells, [(address.to_string(), "pull-image".to_owned(), 2)]);
    }
}

#[test]
fn only_loopback_is_aimed_at_unasked_and_no_more_is_moved_than_allowed() {
    let (code, _, said) = bench(&["requests", "--registry", "192.0.2.1:5000"]);
    assert!(code == 2 && said.contains("loopback") && said.contains("--yes"), "{code}: {said}");
    let server = Server::start();
    let address = server.address().to_string();
    let words = ["push", "--registry", &address, "--blob-size", "1MiB", "--clients", "3"];
    let (code, _, said) = bench(&[&words[..], &["--bytes-max", "2MiB"]].concat());
    assert!(code == 2 && said.contains("--bytes-max"), "{code}: {said}");
    let words = ["loop", "--registry", &address, "--layer-size", "64KiB", "--image-size", "256KiB"];
    let (code, _, said) = bench(&[&words[..], &["--bytes-max", "128KiB"]].concat());
    assert!(code == 2 && said.contains("--bytes-max"), "{code}: {said}");
    let (code, _, said) = bench(&[&words[..], &["--seconds-max", "0.0001"]].concat());
    assert!(code == 1 && said.contains("--seconds-max"), "{code}: {said}");
    let catalog = server.get("/v2/_catalog").send();
    assert_eq!(catalog.json()["repositories"], Value::Array(Vec::new()));
}

#[test]
fn a_registry_that_changes_a_byte_is_found_out() {
    let server = Server::start();
    let liar = liar(server.address()).to_string();
    let words = ["pull", "--registry", &liar, "--blob-size", "100KiB", "--clients", "1"];
    let short = ["--seconds", "0.05", "--rounds", "1"];
    let (code, _, said) = bench(&[&words[..], &short].concat());
    assert!(code == 1 && said.contains("hash to"), "{code}: {said}");
    // What was written before it was found out.
    let catalog = server.get("/v2/_catalog").send();
    assert_eq!(catalog.json()["repositories"], Value::Array(Vec::new()), "{said}");
    let (code, _, said) = bench(&[&words[..], &short, &["--no-verify"]].concat());
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_token_is_asked_for_and_a_blob_is_fetched_from_where_it_is_kept() {
    let server = Server::start();
    let (kept, tokens) = (server.address(), Arc::new(AtomicUsize::new(0)));
    let given = Arc::clone(&tokens);
    let registry = front(kept, move |head| guard(head, kept, &given), |_| ()).to_string();
    let words = ["pull", "--registry", &registry, "--blob-size", "100KiB", "--clients", "2"];
    let (cells, said) = measured(&[&words[..], &["--seconds", "0.05", "--rounds", "2"]].concat());
    assert_eq!(cells, vec![(registry.clone(), "pull".to_owned(), 2); 2], "{said}");
    let words = ["push", "--registry", &registry, "--blob-size", "10KiB", "--clients", "2"];
    let (cells, said) = measured(&[&words[..], &["--rounds", "1"]].concat());
    assert_eq!(cells, [(registry.clone(), "push".to_owned(), 2)], "{said}");
    let words = ["requests", "--registry", &registry, "--seconds", "0.05", "--rounds", "1"];
    let (cells, said) = measured(&words);
    assert!(cells.len() > 1, "{said}");
    assert!(tokens.load(Ordering::Relaxed) >= 3, "a token for each run at least");
    let catalog = server.get("/v2/_catalog").send();
    assert_eq!(catalog.json()["repositories"], Value::Array(Vec::new()), "something stays");
}

/// What a registry says that wants a token for everything, and keeps its blobs elsewhere; `None` where
/// the request may go on to that place.
fn guard(head: &str, kept: SocketAddr, given: &AtomicUsize) -> Option<String> {
    let path = head.split(' ').nth(1)?;
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    let host = field("host: ").or_else(|| field("Host: "))?;
    if path.starts_with("/token") {
        given.fetch_add(1, Ordering::Relaxed);
        let token = r#"{"token":"let-me-in","expires_in":300}"#;
        let length = token.len();
        return Some(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{token}"));
    }
    if !head.contains("Bearer let-me-in") {
        let challenge = format!(r#"Bearer realm="http://{host}/token",service="front""#);
        return Some(format!(
            "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: {challenge}\r\ncontent-length: 0\r\n\r\n"
        ));
    }
    (head.starts_with("GET") && path.contains("/blobs/sha256:")).then(|| {
        let location = format!("http://{kept}{path}");
        format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        )
    })
}

/// A registry that hands everything on to another one, but for the last byte of a large answer.
fn liar(registry: SocketAddr) -> SocketAddr {
    let lie = |body: &mut [u8]| {
        if body.len() > 50_000
            && let Some(last) = body.last_mut()
        {
            *last ^= 1;
        }
    };
    front(registry, |_| None, lie)
}

/// Hands requests on to another registry, but for those that `own` answers by their heads; `change` has
/// the bodies of the others' answers.
fn front(
    registry: SocketAddr,
    own: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    change: impl Fn(&mut [u8]) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let hands = Arc::new((own, change));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let hands = Arc::clone(&hands);
            thread::spawn(move || hand_on(&client, registry, &hands.0, &hands.1));
        }
    });
    address
}

/// Hands requests on until either side goes.
fn hand_on(
    client: &TcpStream,
    registry: SocketAddr,
    own: &dyn Fn(&str) -> Option<String>,
    change: &dyn Fn(&mut [u8]),
) -> Option<()> {
    let server = TcpStream::connect(registry).ok()?;
    let (mut from_client, mut from_server) = (BufReader::new(client), BufReader::new(&server));
    loop {
        let (head, length) = message(&mut from_client)?;
        let mut body = vec![0; length];
        from_client.read_exact(&mut body).ok()?;
        if let Some(answer) = own(&head) {
            { client }.write_all(answer.as_bytes()).ok()?;
            continue;
        }
        (&server).write_all(head.as_bytes()).ok()?;
        (&server).write_all(&body).ok()?;
        let (answer, length) = message(&mut from_server)?;
        let mut body = vec![0; if head.starts_with("HEAD") { 0 } else { length }];
        from_server.read_exact(&mut body).ok()?;
        change(&mut body);
        { client }.write_all(answer.as_bytes()).ok()?;
        { client }.write_all(&body).ok()?;
    }
}

/// The head of a message, and how long its body is.
fn message(stream: &mut impl BufRead) -> Option<(String, usize)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
        let line = head[start..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            return Some((head, length));
        }
    }
}
