//! The subcommands beside `serve`, run as a person runs them: `ls` and `rm` against a running
//! registry, `healthcheck` inside its container, and `demo` on its own.

use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{PATIENCE, Server, program};
use crate::repository::Repository;

/// `wharf WORDS`, with nothing of the test's own environment but the PATH.
fn wharf<const N: usize>(words: [&str; N]) -> Command {
    let mut command = Command::new(program());
    command.args(words).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// What `wharf WORDS` prints when it asks the registry at `address`.
fn asked<const N: usize>(address: SocketAddr, words: [&str; N]) -> String {
    let output = wharf(words).env("WHARF_REGISTRY", address.to_string()).output().unwrap();
    let Output { status, stdout, stderr } = output;
    assert!(status.success(), "{words:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn json<const N: usize>(address: SocketAddr, words: [&str; N]) -> Value {
    serde_json::from_str(&asked(address, words)).unwrap()
}

/// Exit code and words of a run that does not succeed.
fn failed(command: &mut Command) -> (i32, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn ls_names_the_repositories() {
    let server = Server::start();
    assert_eq!(asked(server.address(), ["ls"]), "");
    for name in ["team/app", "base"] {
        Repository::new(&server, name).push_named("latest");
    }
    assert_eq!(asked(server.address(), ["ls"]), "base\nteam/app\n");
    let expected = json!({
        "registry": server.address().to_string(),
        "repositories": ["base", "team/app"],
        "more": false,
    });
    assert_eq!(json(server.address(), ["ls", "--json"]), expected);
    assert_eq!(json(server.address(), ["ls", "--json", "--limit", "1"])["more"], true);
}

#[test]
fn ls_tells_what_a_tag_points_at() {
    let server = Server::start();
    let app = Repository::new(&server, "team/app");
    let digest = app.push_named("1.0");
    let listed = json(server.address(), ["ls", "team/app", "--json"]);
    let [tagged] = &listed["tags"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!((&tagged["tag"], &tagged["digest"]), (&json!("1.0"), &json!(digest)));
    assert_eq!(tagged["platforms"], json!(["linux/amd64"]));
    let manifest = app.manifest("1.0").expect(200);
    let parts = &manifest.json();
    let layers = parts["layers"].as_array().unwrap();
    let size = |part: &Value| part["size"].as_u64().unwrap();
    let expected =
        manifest.body.len() as u64 + size(&parts["config"]) + layers.iter().map(size).sum::<u64>();
    assert_eq!(tagged["size"], expected);

    let text = asked(server.address(), ["ls", "team/app"]);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("TAG "), "{text}");
    assert!(lines[1].starts_with("1.0 ") && lines[1].ends_with(&digest), "{text}");
}

#[test]
fn the_host_in_a_name_is_the_registry_that_is_asked() {
    let server = Server::start();
    Repository::new(&server, "app").push_named("1.0");
    let name = format!("{}/app", server.address());
    let elsewhere = "127.0.0.1:1".parse().unwrap();
    assert!(asked(elsewhere, ["ls", &name]).contains("1.0"));
}

#[test]
fn rm_of_a_tag_leaves_the_manifest() {
    let server = Server::start();
    let app = Repository::new(&server, "app");
    let digest = app.push_named("1.0");
    let removed = json(server.address(), ["rm", "app:1.0", "--json"]);
    assert_eq!((&removed["tags"], &removed["manifests"]), (&json!(["1.0"]), &json!([])));
    app.manifest("1.0").expect(404);
    app.manifest(&digest).expect(200);
}

#[test]
fn rm_of_a_digest_takes_the_manifest_and_its_tags() {
    let server = Server::start();
    let app = Repository::new(&server, "app");
    let digest = app.push_named("1.0");
    let printed = asked(server.address(), ["rm", &format!("app@{digest}")]);
    assert_eq!(printed, format!("removed app@{digest}\n"));
    app.manifest("1.0").expect(404);
    app.manifest(&digest).expect(404);
}

#[test]
fn rm_of_a_repository_takes_every_tag_and_manifest_and_no_neighbour() {
    let server = Server::start();
    let app = Repository::new(&server, "app");
    let neighbour = Repository::new(&server, "app/side");
    let digests = ["1.0", "2.0"].map(|tag| app.push_named(tag));
    neighbour.push_named("1.0");
    let removed = json(server.address(), ["rm", "app", "--yes", "--json"]);
    assert_eq!(removed["tags"], json!(["1.0", "2.0"]));
    assert_eq!(removed["manifests"].as_array().unwrap().len(), 2);
    for digest in digests {
        app.manifest(&digest).expect(404);
    }
    neighbour.manifest("1.0").expect(200);
}

#[test]
fn a_refusal_says_what_the_registry_said_and_what_to_do() {
    let server = Server::start();
    let registry = server.address().to_string();
    Repository::new(&server, "app").push_named("1.0");
    let at = |command: &mut Command| failed(command.env("WHARF_REGISTRY", &registry));
    for (words, said, hint) in [
        (["rm", "app:2.0"], "MANIFEST_UNKNOWN", "`wharf ls REPOSITORY` lists the tags"),
        (["ls", "absent"], "NAME_UNKNOWN", "`wharf ls` lists the repositories"),
    ] {
        let (code, text) = at(&mut wharf(words));
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(said) && text.contains(hint), "{text}");
    }
    for words in [["ls", "NOT/valid"], ["ls", "app:1.0"], ["rm", "app@sha256:00"]] {
        assert_eq!(at(&mut wharf(words)).0, 2, "{words:?}");
    }
}

/// An address of this machine on which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_registry_that_is_not_there_is_named() {
    let address = nobody().to_string();
    let (code, text) = failed(wharf(["ls"]).env("WHARF_REGISTRY", &address));
    assert_eq!(code, 1);
    assert!(text.contains(&address) && text.contains("wharf serve"), "{text}");
}

#[test]
fn healthcheck_asks_the_registry_that_the_settings_describe() {
    let server = Server::start();
    let port = server.address().port();
    for (variable, value) in [
        ("WHARF_SERVE_LISTEN", format!("127.0.0.1:{port}")),
        ("WHARF_IMAGE_LISTEN", format!("0.0.0.0:{port}")),
        ("REGISTRY_HTTP_ADDR", format!(":{port}")),
    ] {
        let output = wharf(["healthcheck"]).env(variable, &value).env("HOME", "/").output();
        let Output { status, stderr, .. } = output.unwrap();
        assert!(status.success(), "{variable}={value}: {}", String::from_utf8_lossy(&stderr));
    }
    let (code, text) = failed(&mut wharf(["healthcheck", "--registry", &nobody().to_string()]));
    assert_eq!(code, 1, "{text}");
}

#[test]
fn healthcheck_does_not_wait_for_a_registry_that_hangs() {
    // The connection is taken by the system; nobody ever answers on it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let began = Instant::now();
    let (code, text) = failed(&mut wharf(["healthcheck", "--registry", &address]));
    assert_eq!(code, 1);
    assert!(text.contains("within 2 s") && began.elapsed() < PATIENCE, "{text}");
}

#[test]
fn the_demo_moves_an_image_there_and_back_and_sends_nothing_twice() {
    let output = wharf(["demo", "--json"]).output().unwrap();
    let Output { status, stdout, stderr } = output;
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let demo: Value = serde_json::from_slice(&stdout).unwrap();
    let digests = |transfer: &str| {
        let parts = demo[transfer]["parts"].as_array().unwrap();
        let mut digests: Vec<_> = parts.iter().map(|it| it["digest"].to_string()).collect();
        digests.sort();
        digests
    };
    assert_eq!(digests("push").len(), 3);
    assert_eq!(digests("push"), digests("pull"));
    assert!(digests("push").contains(&demo["image"]["digest"].to_string()));
    assert_eq!(digests("second_push"), [""; 0]);

    let text = wharf(["demo"]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("all 3 digests agree") && text.contains("wharf serve"), "{text}");
}
