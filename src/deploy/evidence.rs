//! What kubectl knows of pods that do not run: which they are, their events, the last words of a
//! program that ended. Only asks; a question that is not answered is no answer, since the trouble
//! itself is known already.

use serde_json::Value;

use super::kubectl::Kubectl;
use super::pod::{Kind, Trouble, newest};
use super::reason::{Evidence, Reason};
use super::workload::Workload;
use crate::process::RunError;

/// How many lines of a log are told.
const LOG_LINES: &str = "20";
/// How many pods of a workload are told of: the others mostly have the same trouble.
const PODS_MAX: usize = 2;

/// What troubles the newest pods of a workload.
///
/// # Errors
/// kubectl does not answer.
pub fn troubles(kubectl: &Kubectl, workload: &Workload) -> Result<Vec<Trouble>, RunError> {
    let kinds = "replicasets.apps,controllerrevisions.apps,pods";
    let get = ["get", kinds, "--selector", &workload.selector, "--output", "json"];
    let found = kubectl.ask_json(&workload.words(&get))?;
    let items = found["items"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(Trouble::of(&newest(items, &workload.kind, &workload.name)))
}

/// Why a workload has no running pods, as far as it can be told.
pub fn reasons(kubectl: &Kubectl, workload: &Workload) -> Vec<Reason> {
    let found = of_pods(kubectl, workload);
    if found.is_empty() {
        return of_workload(kubectl, workload).into_iter().collect();
    }
    found
}

/// Why pods of a workload do not run; empty if they do, or if there are none.
pub fn of_pods(kubectl: &Kubectl, workload: &Workload) -> Vec<Reason> {
    let mut troubles = troubles(kubectl, workload).unwrap_or_default();
    // Pods that are on their way tell less than those that fail.
    troubles.sort_by_key(|it| !it.is_lasting());
    troubles.truncate(PODS_MAX);
    let reason = |it: &Trouble| Reason::of(it, &evidence(kubectl, workload, it));
    troubles.iter().map(reason).collect()
}

fn evidence(kubectl: &Kubectl, workload: &Workload, trouble: &Trouble) -> Evidence {
    let events = events(kubectl, workload, &trouble.pod);
    let is_crash = matches!(trouble.kind, Kind::Crash { .. } | Kind::Readiness);
    let log = match trouble.container.as_deref().filter(|_| is_crash) {
        Some(container) => log(kubectl, workload, trouble, container),
        None => Vec::new(),
    };
    Evidence { events, log }
}

fn log(kubectl: &Kubectl, workload: &Workload, trouble: &Trouble, container: &str) -> Vec<String> {
    let last = ["logs", &trouble.pod, "--container", container, "--tail", LOG_LINES];
    let before: Vec<_> = last.iter().copied().chain(["--previous"]).collect();
    let ask = |words: &[&str]| kubectl.ask(&workload.words(words)).ok();
    // The run before this one is the one that ended; but for a program that only is not ready.
    let ended = matches!(trouble.kind, Kind::Crash { .. });
    let said = ended.then(|| ask(&before)).flatten().or_else(|| ask(&last)).unwrap_or_default();
    String::from_utf8_lossy(&said).lines().map(shown).collect()
}

/// A line of a log, which may not command the terminal.
fn shown(line: &str) -> String {
    line.chars().filter(|it| !it.is_control() || *it == '\t').collect()
}

/// The events about an object, the newest last: each one's reason and message.
fn events(kubectl: &Kubectl, workload: &Workload, object: &str) -> Vec<(String, String)> {
    let field = format!("involvedObject.name={object}");
    let get = ["get", "events", "--field-selector", &field, "--output", "json"];
    let found = kubectl.ask_json(&workload.words(&get)).unwrap_or_default();
    let mut events: Vec<_> = found["items"].as_array().into_iter().flatten().collect();
    // One of the two is set: both are written so that they sort as they follow each other.
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let time = |event: &Value| text(&event["lastTimestamp"]).max(text(&event["eventTime"]));
    events.sort_by_key(|event| time(event));
    events.iter().map(|event| (text(&event["reason"]), text(&event["message"]))).collect()
}

/// What a workload without pods says of itself: a quota, a missing account.
fn of_workload(kubectl: &Kubectl, workload: &Workload) -> Option<Reason> {
    let name = workload.argument();
    let found = kubectl.ask_json(&workload.words(&["get", &name, "--output", "json"])).ok()?;
    let conditions = found["status"]["conditions"].as_array().into_iter().flatten();
    let says_no = |it: &&Value| match it["type"].as_str() {
        Some("ReplicaFailure") => it["status"] == "True",
        _ => it["status"] == "False",
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut failing: Vec<_> = conditions.filter(says_no).collect();
    failing.sort_by_key(|it| it["type"] != "ReplicaFailure");
    if let Some(it) = failing.first() {
        return Some(Reason::of_workload(&name, &text(&it["reason"]), &text(&it["message"])));
    }
    let events = events(kubectl, workload, &workload.name);
    let (reason, message) = events.iter().rev().find(|(reason, _)| reason.starts_with("Failed"))?;
    Some(Reason::of_workload(&name, reason, message))
}
