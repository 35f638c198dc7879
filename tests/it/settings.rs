//! Settings through the program: registry:2's variables, wharf's own, and what happens when one is
//! wrong.

use crate::harness::{Server, Setup};
use crate::repository::{Repository, strings};
use std::path::Path;

const NAME: &str = "library/settings";

/// registry:2's variables alone, as in a container that had its image changed.
fn as_registry_2(root: &Path) -> Setup {
    Setup::bare()
        .variable("REGISTRY_HTTP_ADDR", "127.0.0.1:0")
        .variable("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", root.to_str().unwrap())
}

fn scratch() -> tempfile::TempDir {
    tempfile::TempDir::new().unwrap()
}

#[test]
fn address_and_root_as_registry_2_has_them() {
    let folder = scratch();
    let server = as_registry_2(folder.path()).start();
    let digest = Repository::new(&server, NAME).push_named("v1");
    let hex = digest.strip_prefix("sha256:").unwrap();
    let data = format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
    assert!(folder.path().join(&data).is_file(), "{data}");
    let link = "docker/registry/v2/repositories/library/settings/_manifests/tags/v1/current/link";
    assert_eq!(std::fs::read_to_string(folder.path().join(link)).unwrap(), digest);
}

#[test]
fn a_whole_map_as_yaml() {
    let folder = scratch();
    let root = folder.path().to_str().unwrap();
    let server = Setup::bare()
        .variable("REGISTRY_HTTP_ADDR", "127.0.0.1:0")
        .variable(
            "REGISTRY_STORAGE",
            format!("{{\"filesystem\":{{\"rootdirectory\":\"{root}\"}}}}"),
        )
        .start();
    Repository::new(&server, NAME).push_named("v1");
    assert!(folder.path().join("docker/registry/v2/repositories/library/settings").is_dir());
}

#[test]
fn read_only_in_every_spelling() {
    let variable = |name, value| Setup::new().variable(name, value);
    for (setup, is_read_only) in [
        (Setup::new().arguments(["--read-only"]), true),
        (variable("WHARF_SERVE_READ_ONLY", "true"), true),
        (variable("REGISTRY_STORAGE_MAINTENANCE_READONLY", "{\"enabled\":true}"), true),
        (variable("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "true"), true),
        (variable("REGISTRY_STORAGE_MAINTENANCE", "{\"readonly\":{\"enabled\":true}}"), true),
        (variable("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "false"), false),
        (variable("WHARF_SERVE_READ_ONLY", "false"), false),
    ] {
        let server = setup.start();
        let post = server.post(Repository::new(&server, NAME).uploads_path()).send();
        assert_eq!(post.status, if is_read_only { 405 } else { 202 }, "{}", server.log());
    }
}

#[test]
fn a_read_only_registry_serves_what_is_there() {
    let folder = scratch();
    let server = as_registry_2(folder.path()).start();
    let digest = Repository::new(&server, NAME).push_named("v1");
    drop(server);
    let server = as_registry_2(folder.path()).arguments(["--read-only"]).start();
    let repository = Repository::new(&server, NAME);
    assert_eq!(repository.manifest("v1").expect(200).the("Docker-Content-Digest"), digest);
    assert_eq!(repository.tags(), ["v1"]);
    assert_eq!(strings(&server.get("/v2/_catalog").expect(200).json()["repositories"]), [NAME]);
    server.delete(repository.manifest_path(&digest)).refused(405, "UNSUPPORTED");
}

#[test]
fn what_protects_is_never_dropped_silently() {
    let folder = scratch();
    for (name, value) in [
        ("REGISTRY_AUTH", "htpasswd"),
        ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd"),
        ("REGISTRY_AUTH_TOKEN_REALM", "https://auth.example/token"),
        ("REGISTRY_HTTP_TLS_CERTIFICATE", "/certs/tls.crt"),
        ("REGISTRY_HTTP_TLS_KEY", "/certs/tls.key"),
        ("REGISTRY_HTTP_TLS_CLIENTCAS_0", "/certs/ca.crt"),
        ("REGISTRY_PROXY_REMOTEURL", "https://registry-1.docker.io"),
        ("REGISTRY_STORAGE", "s3"),
        ("REGISTRY_STORAGE_S3_BUCKET", "images"),
        ("REGISTRY_STORAGE_AZURE_CONTAINER", "images"),
    ] {
        let (code, log) = as_registry_2(folder.path()).variable(name, value).refused(folder.path());
        assert_eq!(code, 2, "{name}: {log}");
        assert!(log.contains(name), "{name} is not named: {log}");
    }
}

#[test]
fn what_is_harmless_is_named_and_left_out() {
    let server = Setup::new()
        .variable("REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR", "inmemory")
        .variable("REGISTRY_HTTP_SECRET", "s3cr3t-value")
        .start();
    let line = server.log_line(|line| line.contains("REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR"));
    assert!(line.contains("REGISTRY_HTTP_SECRET"), "one line for all of them: {line}");
    assert!(!server.log().contains("s3cr3t-value"), "a secret is not for the log");
}

#[test]
fn what_kubernetes_puts_there_is_ignored_quietly() {
    let server = Setup::new()
        .variable("REGISTRY_PORT", "tcp://10.96.0.10:5000")
        .variable("REGISTRY_PORT_5000_TCP", "tcp://10.96.0.10:5000")
        .variable("REGISTRY_PORT_5000_TCP_ADDR", "10.96.0.10")
        .variable("REGISTRY_SERVICE_HOST", "10.96.0.10")
        .variable("REGISTRY_SERVICE_PORT", "5000")
        .variable("WHARF_PORT", "tcp://10.96.0.11:5000")
        .variable("WHARF_SERVICE_HOST", "10.96.0.11")
        .start();
    server.get("/v2/").expect(200);
    let log = server.log();
    assert!(!log.contains("REGISTRY_PORT") && !log.contains("WHARF_PORT"), "{log}");
    assert!(!log.contains("SERVICE_HOST"), "{log}");
}

#[test]
fn locations_are_relative_unless_a_host_is_set() {
    let server = Server::start();
    let post = server.post(Repository::new(&server, NAME).uploads_path()).expect(202);
    assert!(post.the("Location").starts_with("/v2/"), "{post}");

    let server =
        Setup::new().variable("REGISTRY_HTTP_HOST", "https://registry.example:8443").start();
    let post = server.post(Repository::new(&server, NAME).uploads_path()).expect(202);
    let location = post.the("Location");
    assert!(location.starts_with("https://registry.example:8443/v2/library/"), "{location}");
}

#[test]
fn headers_may_be_added() {
    let server = Setup::new()
        .variable("REGISTRY_HTTP_HEADERS_X-Content-Type-Options", "[nosniff]")
        .variable("REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin", "['https://ui.example']")
        .start();
    let response = server.get("/v2/").expect(200);
    assert_eq!(response.the("X-Content-Type-Options"), "nosniff");
    assert_eq!(response.the("Access-Control-Allow-Origin"), "https://ui.example");
}

#[test]
fn the_catalog_has_its_setting() {
    let server = Setup::new().variable("REGISTRY_CATALOG_MAXENTRIES", "2").start();
    for name in ["a", "b", "c"] {
        Repository::new(&server, name).push_named("v1");
    }
    let response = server.get("/v2/_catalog?n=2").expect(200);
    assert_eq!(strings(&response.json()["repositories"]), ["a", "b"]);
    let response = server.get("/v2/_catalog?n=3").send();
    match response.status {
        400 => assert_eq!(response.error_code(), "PAGINATION_NUMBER_INVALID"),
        _ => assert_eq!(strings(&response.expect("n=3", 200).json()["repositories"]).len(), 2),
    }
}

#[test]
fn a_wrong_value_names_setting_place_value_and_choices() {
    let folder = scratch();
    for (name, value) in [
        ("REGISTRY_STORAGE_DELETE_ENABLED", "perhaps"),
        ("WHARF_SERVE_READ_ONLY", "perhaps"),
        ("WHARF_SERVE_MANIFEST_SIZE_MAX", "many"),
        ("WHARF_SERVE_UPLOAD_IDLE_MAX", "soon"),
        ("WHARF_SERVE_LISTEN", "everywhere"),
        ("REGISTRY_HTTP_ADDR", "127.0.0.1:port"),
    ] {
        let (code, log) = Setup::bare().variable(name, value).refused(folder.path());
        assert_eq!(code, 2, "{name}: {log}");
        assert!(log.contains(name) && log.contains(value), "{name}: {log}");
    }
    let (code, log) = Setup::new().arguments(["--deletes", "perhaps"]).refused(folder.path());
    assert_eq!(code, 2, "{log}");
    assert!(log.contains("--deletes") && log.contains("perhaps"), "{log}");
    let (code, log) = Setup::new().arguments(["--no-such-flag"]).refused(folder.path());
    assert_eq!((code, log.contains("--no-such-flag")), (2, true), "{log}");
}

#[test]
fn a_flag_wins_over_a_variable_and_wharf_over_registry_2() {
    let server = Setup::new()
        .arguments(["--read-only"])
        .variable("WHARF_SERVE_DELETES", "true")
        .variable("REGISTRY_STORAGE_DELETE_ENABLED", "false")
        .variable("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "false")
        .start();
    server.post(Repository::new(&server, NAME).uploads_path()).refused(405, "UNSUPPORTED");
    let server = Setup::new()
        .variable("WHARF_SERVE_DELETES", "true")
        .variable("REGISTRY_STORAGE_DELETE_ENABLED", "false")
        .start();
    let repository = Repository::new(&server, NAME);
    repository.push_named("v1");
    server.delete(repository.manifest_path("v1")).expect(202);
}

#[test]
fn settings_may_be_in_a_file() {
    let folder = scratch();
    let file = folder.path().join("serve.toml");
    std::fs::write(&file, "read-only = true\n").unwrap();
    let server = Setup::new().arguments(["--config", file.to_str().unwrap()]).start();
    server.post(Repository::new(&server, NAME).uploads_path()).refused(405, "UNSUPPORTED");

    std::fs::write(&file, "no-such-setting = 1\n").unwrap();
    let setup = Setup::new().arguments(["--config", file.to_str().unwrap()]);
    let (code, log) = setup.refused(folder.path());
    assert_eq!(code, 2, "{log}");
    assert!(log.contains("no-such-setting") && log.contains("serve.toml"), "{log}");
}

#[test]
fn the_old_command_lines_run_when_their_file_is_absent() {
    // `registry:2` is started as `serve /etc/docker/registry/config.yml`; there is none in ours.
    let server = Setup::new().arguments(["/etc/no/such/config.yml"]).start();
    server.get("/v2/").expect(200);
}

#[test]
fn an_old_file_that_is_there_is_answered_with_the_variables_to_use() {
    let folder = scratch();
    let file = folder.path().join("config.yml");
    let text = "version: 0.1\nstorage:\n  delete:\n    enabled: true\nhttp:\n  addr: :5000\n";
    std::fs::write(&file, text).unwrap();
    let (code, log) = Setup::new().arguments([file.to_str().unwrap()]).refused(folder.path());
    assert_eq!(code, 2, "{log}");
    for variable in ["REGISTRY_STORAGE_DELETE_ENABLED", "REGISTRY_HTTP_ADDR"] {
        assert!(log.contains(variable), "{variable} is not named: {log}");
    }
}

#[test]
fn one_process_writes_a_volume() {
    let server = Server::start();
    let setup = Setup::bare().arguments(["--listen", "127.0.0.1:0", "--root"]);
    let setup = setup.arguments([server.root().to_str().unwrap()]);
    let (code, log) = setup.refused(server.root());
    assert_eq!(code, 2, "{log}");
    assert!(log.contains(&server.pid().to_string()), "the holder is not named: {log}");
    server.get("/v2/").expect(200);
}

#[test]
fn a_taken_port_is_explained() {
    let server = Server::start();
    let folder = scratch();
    let address = server.address().to_string();
    let setup = Setup::bare().arguments(["--listen", &address, "--root"]);
    let (code, log) = setup.arguments([folder.path().to_str().unwrap()]).refused(folder.path());
    assert!(matches!(code, 1 | 2), "{code}: {log}");
    assert!(log.contains(&address), "{log}");
}
