//! Whether the engine answers at all. On macOS it lives in a virtual machine, which may stand still.

use crate::failure::told;
use crate::setup::engine::{EngineError, Info};
use crate::setup::error::SetupError;
use crate::setup::examination::ENGINE;
use crate::setup::machine::{self, Machine};
use crate::setup::{Finding, Site, Step};

/// The engine's answer as a check.
#[derive(Debug)]
pub struct AnswerOfEngine;

impl Step for AnswerOfEngine {
    fn name(&self) -> &'static str {
        ENGINE
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let name = site.engine.kind().program();
        Ok(vec![match site.engine.info() {
            Ok(info) => Finding::ok(name, described(&info)),
            Err(error) => away(site, error),
        }])
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        match (site.engine.info(), still(site)) {
            (Err(_), Some(machine)) => {
                let start = site.engine.program(["machine", "start", &machine.name]);
                Ok(site.hand().show(&start)?)
            }
            _ => Ok(()),
        }
    }
}

/// What kind of engine it is, as far as it matters to Kind.
fn described(info: &Info) -> String {
    let owner = if info.is_rootless { "rootless" } else { "rootful" };
    let place = if info.is_remote { ", in a virtual machine" } else { "" };
    format!("version {}, {owner}, {}{place}", info.version, info.architecture)
}

fn away(site: &Site, error: EngineError) -> Finding {
    let name = site.engine.kind().program();
    if let Some(machine) = still(site) {
        let words = format!("does not answer: its machine {} does not run", machine.name);
        return Finding::fault(name, words).mended_by("start the machine");
    }
    let words = format!("does not answer: {}", told(&error));
    let error = SetupError::from(error);
    Finding::fault(name, words).left_to_you(error.hint().unwrap_or_else(|| {
        match site.engine.kind() {
            crate::setup::engine::Kind::Podman => {
                "see what `podman info` says; on macOS make a machine: `podman machine init --now`"
                    .into()
            }
            crate::setup::engine::Kind::Docker => {
                "start Docker, or see what `docker info` says".into()
            }
        }
    }))
}

/// The machine that a plain `podman` means, if it stands still.
fn still(site: &Site) -> Option<Machine> {
    let of_engine = machine::of_engine(&site.engine).ok().flatten();
    of_engine.filter(|machine| !machine.is_running)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::site::tests::site;

    const INFO: &str = r#"{"host":{"arch":"arm64","serviceIsRemote":true,"security":{"rootless":true},
        "cgroupVersion":"v2","cgroupControllers":["cpu","memory","pids"],"networkBackend":"netavark"},
        "store":{"graphRoot":"/x","graphDriverName":"overlay"},"version":{"Version":"5.6.2"}}"#;
    const CANNOT_CONNECT: &str = "Cannot connect to Podman. Please verify your connection to the \
        Linux system using `podman system connection list`, or try `podman machine init` and `podman \
        machine start` to manage a new Linux VM\nError: unable to connect to Podman socket: failed to \
        connect: dial tcp 127.0.0.1:53412: connect: connection refused";

    #[test]
    fn an_engine_that_answers_says_what_it_is() {
        let (site, _) = site([("podman info", Ok(INFO.into()))]);
        let found = AnswerOfEngine.check(&site).unwrap();
        let words = "version 5.6.2, rootless, arm64, in a virtual machine";
        assert_eq!(found, [Finding::ok("podman", words)]);
    }

    #[test]
    fn a_machine_that_stands_still_is_started() {
        let machines = r#"[{"Name":"podman-machine-default","Default":true,"Running":false}]"#;
        let (site, recorded) = site([
            ("podman info", Err(CANNOT_CONNECT.into())),
            ("podman machine list", Ok(machines.into())),
            ("podman system connection list", Ok("[]".into())),
            ("podman machine start podman-machine-default", Ok(Vec::new())),
        ]);
        let found = AnswerOfEngine.check(&site).unwrap();
        assert!(found[0].is_fault() && found[0].mendable, "{found:?}");
        assert!(found[0].words.contains("its machine podman-machine-default does not run"));
        AnswerOfEngine.apply(&site).unwrap();
        assert_eq!(recorded.lines().last().unwrap(), "podman machine start podman-machine-default");
    }

    #[test]
    fn an_engine_that_cannot_say_why_is_left_to_the_user() {
        let (site, _) = site([
            ("podman info", Err("Error: database is locked".into())),
            ("podman machine list", Ok("[]".into())),
        ]);
        let found = AnswerOfEngine.check(&site).unwrap();
        assert!(found[0].is_fault() && !found[0].mendable);
        assert!(found[0].words.contains("database is locked"), "{found:?}");
    }
}
