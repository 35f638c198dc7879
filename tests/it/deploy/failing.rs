//! Pods that do not start: each time the person is told why, in plain words, before the time is up
//! where waiting would not help. Those tests have an hour, and end without it.

use serde_json::Value;

use super::story::LAST_WORDS;
use super::{Stage, Story, failed, outcome};

/// Longer than any test.
const HOUR: [&str; 2] = ["--timeout", "1h"];

#[test]
fn an_image_that_cannot_be_pulled_is_told_with_the_error_and_what_it_means() {
    let Some(stage) = Stage::new(Story::NotFound, "an image that cannot be pulled") else { return };
    let words = failed(&mut stage.deploy(HOUR), 1);
    for part in [
        "moon-server-new-x (container moon): ImagePullBackOff",
        "Failed to pull image",
        &format!("{}: not found", stage.pinned()),
        "the registry has no image of that name",
        "wharf push",
        "deployment/moon-server is applied, and does not start",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
}

#[test]
fn a_program_that_ends_is_told_with_its_last_words() {
    let Some(stage) = Stage::new(Story::Crashes, "a program that ends") else { return };
    let words = failed(&mut stage.deploy(HOUR), 1);
    for part in ["CrashLoopBackOff", "exit code 3", LAST_WORDS, "does not start"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let (code, stdout, _) = outcome(stage.deploy(HOUR).arg("--json"));
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &told["ready"]), (1, &Value::Bool(false)));
    assert_eq!(told["reasons"][0]["reason"], "CrashLoopBackOff");
    assert_eq!(told["reasons"][0]["log"][1], LAST_WORDS);
}

#[test]
fn a_pod_that_no_node_takes_is_told_when_the_time_is_up() {
    let Some(stage) = Stage::new(Story::NoRoom, "a pod without a node") else { return };
    let words = failed(&mut stage.deploy(["--timeout", "1s"]), 1);
    for part in ["Unschedulable", "Insufficient memory", "does not start in time", "--timeout"] {
        assert!(words.contains(part), "{part}: {words}");
    }
}

#[test]
fn an_image_that_was_not_pushed_ends_it_before_anything_is_applied() {
    let Some(stage) = Stage::new(Story::Starts, "an image that was not pushed") else { return };
    stage.write("wharf.toml", &super::PROJECT.replace("v1.0.0", "v2"));
    let words = failed(&mut stage.deploy([]), 1);
    assert!(words.contains("moon-server:v2 is not in the registry"), "{words}");
    assert!(words.contains("wharf push moon-server:v2"), "{words}");
    assert!(stage.cluster.is_empty());
}
