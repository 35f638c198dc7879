//! Faults, each really made on a setup that stands: `wharf doctor` names it, `wharf doctor --fix` mends
//! it, and every node then pulls again under both names. What only a person can mend is mended here as the
//! fix says.
//!
//! The trials share one setup, which takes longer to make than to break: each leaves it whole. One that
//! fails has it made anew for the next.

mod images;
mod nodes;
mod registry;
mod wiring;

use serde_json::Value;

use crate::Run;
use crate::command;
use crate::ground::Ground;

/// What the names of trials begin with that share the setup.
pub(crate) const SHARED: &str = "fault_";

pub(crate) fn trials() -> Vec<(&'static str, Run)> {
    [wiring::trials(), registry::trials(), nodes::trials(), images::trials()].concat()
}

const CLUSTER: &str = "faults";
const CONTROL_PLANE: &str = "faults-control-plane";
const WORKER: &str = "faults-worker";
const REGISTRY: &str = "kind-registry";
/// The image that the registry has, and no other.
const IMAGE: &str = "greeter:1";

/// A finding of the doctor's.
#[derive(Debug, Clone)]
struct Told {
    check: String,
    level: String,
    object: String,
    words: String,
    fix: String,
    mendable: bool,
}

/// What the doctor said.
#[derive(Debug)]
struct Doctor {
    code: i32,
    findings: Vec<Told>,
    mended: Vec<Told>,
}

impl Doctor {
    /// Asks it.
    fn ask(ground: &Ground, arguments: &[&str]) -> Self {
        let output = command::output(ground.wharf(["doctor", "--json"]).args(arguments));
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", command::words(&output)));
        let list = |field: &str| {
            let checks = said.as_array().unwrap().iter();
            checks.flat_map(|check| told(check, field)).collect()
        };
        let code = output.status.code().unwrap();
        Self { code, findings: list("findings"), mended: list("mended") }
    }

    /// The finding of a check about an object, whatever its level.
    #[track_caller]
    fn finding(&self, check: &str, object: &str, words: &str) -> &Told {
        let is_it = |it: &&Told| {
            it.check == check && it.object.contains(object) && it.words.contains(words)
        };
        self.findings.iter().find(is_it).unwrap_or_else(|| {
            panic!("no finding of {check} about {object} says {words:?}:\n{}", self.list())
        })
    }

    /// A fault of a check about an object.
    #[track_caller]
    fn fault(&self, check: &str, object: &str, words: &str) -> &Told {
        let found = self.finding(check, object, words);
        assert_eq!((found.level.as_str(), self.code), ("fault", 1), "{}", self.list());
        found
    }

    /// Says that there is no fault.
    #[track_caller]
    fn assert_well(&self) -> &Self {
        assert_eq!(self.code, 0, "{}", self.list());
        self
    }

    fn list(&self) -> String {
        let line = |it: &Told| format!("{} {}: {}: {}\n", it.level, it.check, it.object, it.words);
        self.findings.iter().filter(|it| it.level != "ok").map(line).collect()
    }
}

/// The findings in a field of a check.
fn told(check: &Value, field: &str) -> Vec<Told> {
    let findings = check[field].as_array().unwrap().iter();
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    findings
        .map(|it| Told {
            check: text(&check["check"]),
            level: text(&it["level"]),
            object: text(&it["object"]),
            words: text(&it["finding"]),
            fix: text(&it["fix"]),
            mendable: it["mendable"].as_bool().unwrap(),
        })
        .collect()
}

/// Has a setup stand, with one image in its registry: the one that stands already, if it does.
fn stand(ground: &Ground) {
    if !ground.nodes(CLUSTER).is_empty() {
        return;
    }
    command::run(&mut ground.up(["--name", CLUSTER, "--workers", "1"]));
    assert_eq!(ground.nodes(CLUSTER), [CONTROL_PLANE, WORKER]);
    push(ground, IMAGE);
    assert_whole(ground);
}

/// Builds an image, pushes it, and keeps no copy.
fn push(ground: &Ground, image: &str) {
    let local = format!("localhost/{image}");
    ground.build_greeter(&local, image);
    let registry = ground.registry();
    command::run(&mut ground.wharf(["push", "--quiet", "--registry", &registry, image]));
    command::run(&mut ground.podman(["rmi", &local]));
}

/// Pulls an image of the registry on every node under both of its names, and forgets it.
#[track_caller]
fn assert_pulls(ground: &Ground, image: &str) {
    for node in ground.nodes(CLUSTER) {
        for registry in ["kind-registry:5000".to_owned(), ground.registry()] {
            let name = format!("{registry}/{image}");
            ground.pull(&node, &name).unwrap_or_else(|status| panic!("{node}: {name}: {status:?}"));
            ground.containerd(&node).remove(&name);
        }
    }
}

/// Says that all works and that the doctor agrees.
#[track_caller]
fn assert_whole(ground: &Ground) {
    assert_pulls(ground, IMAGE);
    Doctor::ask(ground, &[]).assert_well();
}

/// Makes a fault, has it named, mended, and all work again. `named` are the checks, objects and words that
/// are to be among the faults.
#[track_caller]
fn is_named_and_mended(ground: &Ground, make: impl FnOnce(), named: &[(&str, &str, &str)]) {
    stand(ground);
    make();
    let seen = Doctor::ask(ground, &[]);
    for (check, object, words) in named {
        assert!(seen.fault(check, object, words).mendable, "{check}: {object}: {words}");
    }
    let fixed = Doctor::ask(ground, &["--fix"]);
    fixed.assert_well();
    for (check, object, words) in named {
        let is_it = |it: &&Told| {
            it.check == *check && it.object.contains(object) && it.words.contains(words)
        };
        assert!(fixed.mended.iter().any(|it| is_it(&it)), "{check}: {object}: {:?}", fixed.mended);
    }
    fixed.finding("pull", "", "was pulled by");
    assert_whole(ground);
}
