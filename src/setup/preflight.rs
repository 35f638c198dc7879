//! The engine answers, is new enough, and can run what Kind needs. It starts Podman's virtual machine;
//! everything else about an engine is the user's to decide.

use super::config::Cluster;
use super::engine::{EngineError, Info, Kind};
use super::error::{how_to_get, of_run};
use super::machine::{self, Machine};
use super::{Finding, SetupError, Site, Step, node};
use crate::process::RunError;

/// The engine as a step.
#[derive(Debug)]
pub struct TheEngine;

/// The oldest Podman that can do it, major and minor: names on a network (netavark, aardvark-dns) and
/// ports on one address of a Mac came with it.
const OLDEST: (u32, u32) = (4, 0);
/// The oldest Podman with which it was tried.
const OLDEST_TRIED: (u32, u32) = (4, 3);
/// What Kind asks of cgroups for a node that root does not run.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

impl Step for TheEngine {
    fn name(&self) -> &'static str {
        "engine"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        match site.engine.info() {
            Ok(info) => of_answer(site, &info),
            Err(EngineError::Run(error)) => Ok(vec![of_silence(site, error)?]),
            Err(error) => Err(error.into()),
        }
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        let Err(EngineError::Run(_)) = site.engine.info() else { return Ok(()) };
        let Some(machine) = stopped_machine(site) else { return Ok(()) };
        let program = site.engine.program(["machine", "start", &machine.name]);
        site.hand().show(&program)?;
        match site.hand().is_dry() {
            true => Err(SetupError::Broken {
                what: "what else would be done is not known until Podman's virtual machine runs"
                    .into(),
                hint: format!("run `podman machine start {}`", machine.name),
            }),
            false => Ok(()),
        }
    }
}

/// What there is to say of an engine that answers.
fn of_answer(site: &Site, info: &Info) -> Result<Vec<Finding>, SetupError> {
    let name = site.engine.kind().program();
    let place = if info.is_remote { "in another machine" } else { "in this machine" };
    let rights = if info.is_rootless { "without root" } else { "as root" };
    let words = format!("{name} {} answers, {place}, {rights}", info.version);
    let mut findings = vec![Finding::ok(name, words)];
    if site.engine.kind() == Kind::Podman {
        findings.extend(of_version(&info.version));
    }
    if info.is_rootless
        && let Some(words) = rootless_lacks(info)
    {
        let fix = what_rootless_needs(site);
        findings.push(match is_cluster_to_make(site)? {
            true => Finding::fault(name, words).left_to_you(fix),
            false => Finding { fix: Some(fix), ..Finding::note(name, words) },
        });
    }
    Ok(findings)
}

fn of_version(version: &str) -> Option<Finding> {
    let mut numbers = version.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let (major, minor) = (numbers.next()?, numbers.next().unwrap_or(0));
    let oldest = format!("{}.{}", OLDEST.0, OLDEST.1);
    if (major, minor) < OLDEST {
        let words = format!(
            "version {version} is too old: containers find each other by name, and ports stay on the \
             loopback, from {oldest} on"
        );
        let fix = how_to_get("podman").unwrap_or_else(|| "install a newer one".into());
        return Some(Finding::fault("podman", words).left_to_you(fix));
    }
    if (major, minor) < OLDEST_TRIED {
        let words =
            format!("version {version} is older than any with which wharf was tried (4.3.1)");
        return Some(Finding::note("podman", words));
    }
    None
}

/// What an engine without root lacks for Kind's nodes.
fn rootless_lacks(info: &Info) -> Option<String> {
    if info.cgroup_version == "v1" {
        return Some("Kind's nodes need cgroup v2 where the engine runs without root".into());
    }
    if info.cgroup_controllers.is_empty() {
        return None; // it does not say; Kind then assumes the best, too
    }
    let has = |controller: &&str| info.cgroup_controllers.iter().any(|it| it == controller);
    let missing: Vec<_> = CONTROLLERS.into_iter().filter(|it| !has(it)).collect();
    let words = "Kind's nodes need cgroup controllers that are not delegated to you";
    (!missing.is_empty()).then(|| format!("{words}: {}", missing.join(", ")))
}

fn what_rootless_needs(site: &Site) -> String {
    match machine_of(site) {
        Some(Machine { name, .. }) => format!(
            "run `podman machine stop {name}`, `podman machine set --rootful {name}` and `podman \
             machine start {name}`"
        ),
        None => {
            "let systemd delegate them, as https://kind.sigs.k8s.io/docs/user/rootless says, or \
                 run the engine as root"
                .into()
        }
    }
}

/// Whether the setup is to make a cluster now.
fn is_cluster_to_make(site: &Site) -> Result<bool, SetupError> {
    let nodes = node::all(site)?;
    Ok(match &site.config.cluster {
        Cluster::Existing => false,
        Cluster::Any(_) => nodes.is_empty(),
        Cluster::Named(name, _) => !nodes.iter().any(|node| node.cluster == *name),
    })
}

/// What there is to say of an engine that does not answer.
///
/// # Errors
/// It says why, and that is nothing known.
fn of_silence(site: &Site, error: RunError) -> Result<Finding, SetupError> {
    let name = site.engine.kind().program();
    let words = match &error {
        RunError::Missing { .. } => {
            let fix = how_to_get(name).unwrap_or_else(|| format!("install {name}"));
            return Ok(Finding::fault(name, "is not on the PATH").left_to_you(fix));
        }
        RunError::Late { limit, .. } => {
            let words = format!("hangs: it did not answer within {} s", limit.as_secs());
            let fault = Finding::fault(name, words);
            return Ok(fault.left_to_you(of_run(&error).unwrap_or_default()));
        }
        RunError::Failed { words, .. } => words,
        RunError::Run { .. } => return Err(error.into()),
    };
    if !words.to_lowercase().contains("connect") {
        return Err(error.into());
    }
    Ok(match site.engine.kind() {
        Kind::Podman => of_silent_podman(site, words),
        Kind::Docker => of_silent_docker(words),
    })
}

fn of_silent_podman(site: &Site, words: &str) -> Finding {
    let machines = match machine::all(&site.engine) {
        Ok(machines) => machines,
        // A Podman without machines, as on a Linux server, that is told of an engine elsewhere.
        Err(_) => return unreachable_podman(words),
    };
    if machines.is_empty() {
        return match cfg!(target_os = "macos") {
            true => Finding::fault("podman", "has no virtual machine to run in")
                .left_to_you("run `podman machine init` and `podman machine start`"),
            false => unreachable_podman(words),
        };
    }
    let about = |machine: &Machine| format!("podman machine {}", machine.name);
    match machine_of(site) {
        Some(machine) if !machine.is_running => {
            Finding::fault(about(&machine), "stands still").mended_by("start it")
        }
        Some(machine) => {
            let name = &machine.name;
            Finding::fault(
                about(&machine),
                format!("runs, but Podman in it does not answer: {words}"),
            )
            .left_to_you(format!(
                "run `podman machine stop {name}` and `podman machine start {name}`"
            ))
        }
        None => unreachable_podman(words),
    }
}

fn unreachable_podman(words: &str) -> Finding {
    Finding::fault("podman", format!("cannot reach its engine: {words}")).left_to_you(
        "look at `podman system connection list`, and choose one that works with `podman system \
         connection default NAME`",
    )
}

fn of_silent_docker(words: &str) -> Finding {
    let fix = match words.to_lowercase().contains("permission denied") {
        true => "let your user in: `sudo usermod -aG docker $USER`, then log in anew",
        false if cfg!(target_os = "macos") => "start Docker Desktop",
        false => "start it: `sudo systemctl start docker`, or Docker Desktop",
    };
    Finding::fault("docker", format!("its daemon does not answer: {words}")).left_to_you(fix)
}

/// The machine that the engine runs in, if it is one of Podman's.
fn machine_of(site: &Site) -> Option<Machine> {
    machine::of_engine(&site.engine).ok().flatten()
}

fn stopped_machine(site: &Site) -> Option<Machine> {
    machine_of(site).filter(|machine| !machine.is_running)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::process::recorded::{Answer, Recorded};
    use crate::setup::config::NewCluster;
    use crate::setup::site::tests::{site, site_of};

    /// What Podman 5 says with its machine stopped, less the advice before the error.
    const REFUSED: &str = "Error: unable to connect to Podman socket: failed to connect: dial tcp \
                           127.0.0.1:53412: connect: connection refused";
    const CONNECTIONS: &str = r#"[{"Name":"podman-machine-default",
        "URI":"ssh://core@127.0.0.1:53412/run/user/501/podman/podman.sock","Default":true}]"#;

    fn info(version: &str, host: &str) -> Answer {
        Ok(format!(
            r#"{{"host":{{"arch":"amd64","security":{{"rootless":true}},{host}}},
                "store":{{"graphRoot":"/x"}},"version":{{"Version":"{version}"}}}}"#
        )
        .into())
    }

    fn machines(running: bool) -> Answer {
        Ok(format!(r#"[{{"Name":"podman-machine-default","Default":true,"Running":{running}}}]"#)
            .into())
    }

    fn found<const N: usize>(transcript: [(&str, Answer); N]) -> Vec<Finding> {
        TheEngine.check(&site(transcript).0).unwrap()
    }

    #[test]
    fn an_engine_that_hangs_is_told_with_what_to_do() {
        let found = found([("podman info", Err(Recorded::LATE.into()))]);
        assert_eq!(found[0].words, "hangs: it did not answer within 60 s");
        assert!(
            found[0].is_fault() && found[0].fix.as_ref().unwrap().contains("podman machine stop")
        );
    }

    #[test]
    fn a_machine_that_stands_still_is_started() {
        let (site, recorded) = site([
            ("podman info", Err(REFUSED.into())),
            ("podman machine list", machines(false)),
            ("podman machine start", Ok(Vec::new())),
            ("podman system connection", Ok(CONNECTIONS.into())),
        ]);
        let found = TheEngine.check(&site).unwrap();
        assert_eq!(found[0].about, "podman machine podman-machine-default");
        assert_eq!(found[0].words, "stands still");
        assert!(found[0].mendable);
        TheEngine.apply(&site).unwrap();
        assert!(recorded.lines().contains(&"podman machine start podman-machine-default".into()));
    }

    #[test]
    fn a_machine_whose_podman_does_not_answer_is_left_to_the_user() {
        let found = found([
            ("podman info", Err(REFUSED.into())),
            ("podman machine list", machines(true)),
            ("podman system connection", Ok(CONNECTIONS.into())),
        ]);
        assert!(found[0].words.contains("connection refused"), "{found:?}");
        assert!(found[0].fix.as_ref().unwrap().contains("podman machine stop"), "{found:?}");
        assert!(!found[0].mendable);
    }

    #[test]
    fn an_engine_elsewhere_that_is_not_reached_is_named() {
        let found = found([
            ("podman info", Err(REFUSED.into())),
            ("podman machine list", Err("Error: cannot run podman machine as root".into())),
        ]);
        assert!(found[0].fix.as_ref().unwrap().contains("system connection list"), "{found:?}");
    }

    #[test]
    fn other_failures_are_told_as_they_are() {
        let (site, _) = site([("podman info", Err("Error: database is locked".into()))]);
        let error = TheEngine.check(&site).unwrap_err().to_string();
        assert!(error.contains("database is locked"), "{error}");
    }

    #[test]
    fn a_podman_that_is_too_old_says_which_is_not() {
        let cgroups = r#""cgroupVersion":"v2""#;
        let old = found([("podman info", info("3.4.4", cgroups))]);
        assert!(old[1].is_fault() && old[1].words.contains("from 4.0 on"), "{old:?}");
        assert!(old[1].fix.as_ref().unwrap().contains("podman.io"), "{old:?}");
        for (version, findings) in [("4.1.0-rc1", 2), ("4.3.1", 1), ("5.6.2", 1), ("6.0.0-dev", 1)]
        {
            let found = found([("podman info", info(version, cgroups))]);
            assert_eq!(found.len(), findings, "{found:?}");
            assert!(!found.iter().any(Finding::is_fault), "{found:?}");
        }
    }

    #[test]
    fn without_root_kind_needs_what_cgroups_delegate() {
        let host = r#""cgroupVersion":"v2","cgroupControllers":["memory","pids"]"#;
        let transcript = [
            ("podman info", info("5.6.2", host)),
            ("podman ps", Ok(Vec::new())),
            ("podman machine list", Ok(b"[]".to_vec())),
        ];
        let (mut site, _) = site(transcript);
        let note = &TheEngine.check(&site).unwrap()[1];
        assert!(!note.is_fault() && note.words.ends_with(": cpu"), "{note:?}");
        site.config.cluster = Cluster::Any(NewCluster::default());
        let fault = &TheEngine.check(&site).unwrap()[1];
        assert!(fault.is_fault() && !fault.mendable, "{fault:?}");
        assert!(fault.fix.as_ref().unwrap().contains("rootless"), "{fault:?}");
    }

    #[test]
    fn cgroup_v1_is_not_enough_without_root() {
        let found = found([
            ("podman info", info("4.3.1", r#""cgroupVersion":"v1""#)),
            ("podman ps", Ok(Vec::new())),
            ("podman machine list", machines(true)),
            ("podman system connection", Ok(CONNECTIONS.into())),
        ]);
        let fix = found[1].fix.as_ref().unwrap();
        assert!(fix.contains("podman machine set --rootful podman-machine-default"), "{fix}");
    }

    #[test]
    fn a_silent_docker_says_whether_it_runs_or_lets_nobody_in() {
        for (words, fix) in [
            ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock", "start"),
            ("permission denied while trying to connect to the Docker daemon socket", "usermod"),
        ] {
            // It ends well, and says in its answer what is wrong.
            let answer = format!(r#"{{"ServerVersion":"","ServerErrors":["{words}"]}}"#);
            let transcript = [("docker info", Answer::Ok(answer.into()))];
            let site = site_of(Kind::Docker, &Arc::new(Recorded::transcript(transcript)));
            let found = TheEngine.check(&site).unwrap();
            assert!(found[0].is_fault() && found[0].words.contains(words), "{found:?}");
            assert!(found[0].fix.as_ref().unwrap().contains(fix), "{found:?}");
        }
    }

    #[test]
    fn an_engine_that_is_not_there_says_how_to_get_it() {
        let site = site_of(Kind::Docker, &Arc::new(Recorded::new([])));
        let found = TheEngine.check(&site).unwrap();
        assert_eq!(found[0].words, "is not on the PATH");
        assert!(found[0].fix.as_ref().unwrap().contains("docs.docker.com"), "{found:?}");
    }
}
