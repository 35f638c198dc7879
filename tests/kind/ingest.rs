//! The secret and the mounts by which the registry takes images out of Podman's store: set up, left out,
//! and made one where host and engine disagree.

use std::fs;
use std::process::Output;

use crate::Run;
use crate::command;
use crate::ground::Ground;
use crate::registry::{REGISTRY, has, inspect, refused, up};

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    vec![
        ("ingest_is_set_up_and_left_out", ingest_is_set_up_and_left_out),
        ("two_secrets_are_made_one", two_secrets_are_made_one),
    ]
}

fn ingest(ground: &Ground, image: &str) -> Output {
    let local = format!("localhost/{image}");
    ground.build_greeter(&local, image);
    let registry = ground.registry();
    let push = ["push", "--via", "ingest", "--registry", &registry, &local];
    command::output(&mut ground.wharf(push))
}

fn ingest_is_set_up_and_left_out(ground: &Ground) {
    up(ground, []);
    let pushed = ingest(ground, "ingested:1");
    assert!(pushed.status.success(), "{}", command::words(&pushed));
    assert!(has(ground, "ingested:1"));

    up(ground, ["--no-ingest"]);
    let mounts = inspect(ground, REGISTRY)["Mounts"].take();
    assert_eq!(mounts.as_array().unwrap().len(), 1, "{mounts}");
    let pushed = ingest(ground, "refused:1");
    assert!(!pushed.status.success(), "{}", command::words(&pushed));
    assert!(has(ground, "ingested:1"));

    up(ground, []);
    let pushed = ingest(ground, "again:1");
    assert!(pushed.status.success(), "{}", command::words(&pushed));
}

fn two_secrets_are_made_one(ground: &Ground) {
    // The user's own is kept.
    let file = ground.home().join(".config/wharf/ingest-secret");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "a-secret-of-the-users-own\n").unwrap();
    let works = |what: &str| {
        let pushed = ingest(ground, "ingested:1");
        assert!(pushed.status.success(), "{what}: {}", command::words(&pushed));
        let secrets = command::run(&mut ground.podman(["secret", "ls", "--format", "{{.Name}}"]));
        assert_eq!(secrets.lines().count(), 1, "{what}: {secrets}");
        secrets
    };
    up(ground, []);
    let first = works("the user's own");

    fs::write(&file, "another-secret-of-the-users-own\n").unwrap();
    up(ground, []);
    let second = works("another one");
    assert_ne!(first, second);
    assert_eq!(fs::read_to_string(&file).unwrap(), "another-secret-of-the-users-own\n");

    // The engine's has another text than its name says, and the container was made with it.
    command::run(&mut ground.podman(["secret", "rm", &second]));
    let mut create = ground.podman(["secret", "create", &second, "-"]);
    command::feed(&mut create, b"not-the-text-that-it-is-named-after");
    command::run(&mut ground.podman(["rm", "--force", REGISTRY]));
    up(ground, []);
    assert_eq!(works("a wrong one of the engine's"), second);

    command::run(&mut ground.wharf(["down"]));
    assert!(file.exists(), "it was the user's");
    assert_eq!(command::run(&mut ground.podman(["secret", "ls", "--quiet"])), "");

    fs::write(&file, "short").unwrap();
    let words = refused(ground);
    assert!(words.contains("a secret has at least 16 characters"), "{words}");
}
