//! What goes wrong: one message, the right exit code, and no tag moved.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::registry::Registry;
use super::{bare, build_app, digest, failed, folder, manifest, push, said, text, write};
use crate::engine::Engine;
use crate::harness::{PATIENCE, Server, has_program};

/// An address of this machine on which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn an_unknown_image_is_answered_with_the_nearest() {
    let Some(engine) = Engine::new("an image that does not exist") else { return };
    build_app(&engine);
    let server = Server::start();
    for typed in ["ap:v1", "app:v2"] {
        let (code, words) = failed(&mut push(&engine, server.address(), [typed]));
        assert!(code == 1 && words.contains("localhost/app:v1"), "{words}");
    }
    // One that is not there keeps the others where they are.
    let (code, _) = failed(&mut push(&engine, server.address(), ["app:v1", "absent:v1"]));
    assert_eq!(code, 1);
    manifest(server.address(), "app", "v1").expect("not pushed", 404);
}

#[test]
fn a_registry_that_is_down_is_named() {
    let Some(engine) = Engine::new("a registry that is not there") else { return };
    build_app(&engine);
    let address = nobody();
    let (code, words) = failed(&mut push(&engine, address, ["app:v1"]));
    assert!(code == 1 && words.contains(&address.to_string()), "{words}");
    assert!(words.contains("hint: ") && words.contains("wharf serve"), "{words}");
}

#[test]
fn an_archive_cut_short_moves_no_tag() {
    let what = "archives that are cut short";
    let Some(engine) = Engine::new(what) else { return };
    build_app(&engine);
    let archive = folder(&engine).join("app.tar");
    engine.podman(&["save", "--quiet", "-o", archive.to_str().unwrap(), "localhost/app:v1"]);
    let whole = fs::read(&archive).unwrap();
    for registry in Registry::each(what) {
        for length in [0, 700, 100_000, whole.len() - 3000] {
            fs::write(&archive, &whole[..length]).unwrap();
            let words = ["app.tar", "--as", "app:v1"];
            let (code, words) = failed(&mut bare(&engine, registry.address(), words));
            assert_eq!(code, 1, "{length}: {words}");
            manifest(registry.address(), "app", "v1").expect("no tag", 404);
        }
        let (code, words) = failed(&mut bare(&engine, registry.address(), ["./absent.tar"]));
        assert!(code == 1 && words.contains("absent.tar"), "{words}");
    }
}

/// A registry that wants to know who asks, as user `me` with the password `password`.
fn guarded(engine: &Engine) -> Registry {
    let users = "me:$2b$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu\n";
    let users = engine.file("users", users);
    Registry::docker(&format!("auth: {{htpasswd: {{realm: test, path: '{}'}}}}\n", users.display()))
}

#[test]
fn a_registry_that_wants_a_login_says_how_to_log_in() {
    let what = "a registry with users";
    let Some(engine) = Engine::new(what) else { return };
    if !has_program("docker-registry", what) {
        return;
    }
    build_app(&engine);
    let registry = guarded(&engine);
    let address = registry.address();
    let (code, words) = failed(&mut push(&engine, address, ["app:v1"]));
    assert!(code == 1 && words.contains(&format!("wharf login {address}")), "{words}");

    // base64 of me:password, and of me:mistaken.
    for (password, succeeds) in [("bWU6cGFzc3dvcmQ=", true), ("bWU6bWlzdGFrZW4=", false)] {
        let auth = format!(r#"{{"auths":{{"{address}":{{"auth":"{password}"}}}}}}"#);
        let auth = engine.file("auth.json", &auth);
        let words = ["app:v1", "--as", "team/app:v2", "--authfile", auth.to_str().unwrap()];
        let mut command = push(&engine, address, words);
        if succeeds {
            said(&mut command);
            said(push(&engine, address, ["app:v1"]).env("REGISTRY_AUTH_FILE", &auth));
        } else {
            let (code, words) = failed(&mut command);
            assert!(code == 1 && words.contains("wharf login"), "{words}");
            assert!(!words.contains(password) && !words.contains("mistaken"), "{words}");
        }
    }
}

/// How many bytes of a connection go through before no more do.
const FREE_BYTES: usize = 1 << 20;

/// A way to a server that loses the rest of every large body, so that no answer comes to it. Gives
/// its address, and hears of each connection to which that happens.
fn losing(server: SocketAddr) -> (SocketAddr, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, lost) = mpsc::channel();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(server).unwrap();
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let sender = sender.clone();
            std::thread::spawn(move || forward(client, server, &sender));
        }
    });
    (address, lost)
}

fn forward(mut client: TcpStream, mut server: TcpStream, lost: &mpsc::Sender<()>) {
    let mut buffer = vec![0; 64 << 10];
    let mut read = 0;
    // Until the client is gone, and then the server is left alone as well.
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let is_free = read <= FREE_BYTES;
        read += length;
        if is_free && server.write_all(&buffer[..length]).is_err() {
            break;
        }
        if is_free && read > FREE_BYTES {
            _ = lost.send(());
        }
    }
    _ = server.shutdown(Shutdown::Both);
}

#[test]
fn an_interrupted_push_leaves_the_registry_clean() {
    let Some(engine) = Engine::new("Ctrl-C in the middle of a push") else { return };
    engine.build("scratch", "localhost/large:1", |root| write(root, "large", 9, 64 << 20));
    let server = Server::start();
    let (address, lost) = losing(server.address());
    let mut command = push(&engine, address, ["large:1"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    lost.recv_timeout(PATIENCE).expect("the body is on its way");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let words = text(output.stderr);
    assert_eq!(output.status.code(), Some(130), "{words}");
    assert!(words.contains("interrupted") && output.stdout.is_empty(), "{words}");
    manifest(server.address(), "large", "1").expect("no tag", 404);

    let uploads = server.root().join("docker/registry/v2/repositories/large/_uploads");
    let deadline = Instant::now() + PATIENCE;
    let sessions = || fs::read_dir(&uploads).map_or(0, Iterator::count);
    while sessions() > 0 {
        assert!(Instant::now() < deadline, "{} is not emptied", uploads.display());
        std::thread::sleep(Duration::from_millis(5));
    }
    // And the next one finds nothing in its way.
    said(&mut push(&engine, server.address(), ["large:1"]));
    digest(server.address(), "large", "1");
}
