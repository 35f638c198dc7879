//! What brings the registry back after a reboot, where it is asked for: Podman's own unit, which starts
//! every container whose restart policy is `always`. Nodes are no part of it: Kind gives them no such
//! policy, and `wharf up` starts them.
//!
//! A unit of our own (Quadlet) would make the container anew at each boot, from a text that has to be
//! kept in step with what `up` makes; this one starts the container that is there.

use super::engine::Kind;
use super::machine::{self, Machine};
use super::receipt::Made;
use super::{Finding, SetupError, Site, Step};
use crate::process::{Program, RunError};

/// Autostart as a step.
#[derive(Debug)]
pub struct Autostart;

/// Podman's unit, which every package of it has.
const UNIT: &str = "podman-restart.service";
/// What lets a user's units start without the user.
const LINGER: &str = "linger";

/// The systemd that would start the registry.
#[derive(Debug)]
struct Systemd {
    /// The machine that it is in, if it is not this one.
    machine: Option<Machine>,
    /// Whether it is the user's.
    is_users: bool,
}

/// How a unit stands.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Enabled,
    Disabled,
    /// Why it can never be enabled.
    Absent(String),
}

impl Systemd {
    /// None where the engine is in a machine that is not known.
    fn of(site: &Site) -> Result<Option<Self>, SetupError> {
        let info = site.engine.info()?;
        let is_users = info.is_rootless;
        if !info.is_remote {
            return Ok(Some(Self { machine: None, is_users }));
        }
        let machine = machine::of_engine(&site.engine)?;
        Ok(machine.map(|machine| Self { machine: Some(machine), is_users }))
    }

    fn program(&self, words: &[&str]) -> Program {
        let user: &[&str] = if self.is_users { &["--user"] } else { &[] };
        let words = [user, words].concat();
        match &self.machine {
            None => Program::new("systemctl", words),
            Some(machine) => {
                machine.shell(&format!("systemctl {}", words.join(" ")), !self.is_users)
            }
        }
    }

    fn state(&self, site: &Site) -> Result<State, SetupError> {
        let program = self.program(&["show", "--property=UnitFileState", "--value", UNIT]);
        Ok(match site.hand().ask(&program) {
            Ok(answer) => match String::from_utf8_lossy(&answer).trim() {
                "" => State::Absent(format!("Podman came without {UNIT}")),
                "enabled" | "enabled-runtime" | "static" => State::Enabled,
                "masked" => State::Absent(format!("{UNIT} is masked")),
                _ => State::Disabled,
            },
            Err(RunError::Missing { .. }) => State::Absent("there is no systemd".into()),
            Err(RunError::Failed { words, .. }) => {
                State::Absent(format!("systemd does not answer: {words}"))
            }
            Err(error) => return Err(error.into()),
        })
    }

    /// Whether the user's units have to be let start without the user. Podman's machines do so.
    fn lacks_linger(&self, site: &Site) -> bool {
        if !self.is_users || self.machine.is_some() {
            return false;
        }
        let user = rustix::process::getuid().as_raw().to_string();
        let words = ["show-user", &user, "--property=Linger", "--value"];
        // It fails for a user who neither lingers nor is logged in.
        let answer = site.hand().ask(&Program::new("loginctl", words));
        !answer.is_ok_and(|answer| answer.trim_ascii() == b"yes")
    }

    fn made(&self, name: &str) -> Made {
        Made::Unit { name: name.into(), in_machine: self.machine.is_some() }
    }
}

impl Step for Autostart {
    fn name(&self) -> &'static str {
        "autostart"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let registry = &site.config.registry;
        if site.engine.kind() == Kind::Docker {
            let words = "is started again with Docker's daemon; `wharf up` starts the nodes";
            return Ok(vec![Finding::ok(registry, words)]);
        }
        if !is_wanted(site) {
            let words =
                "does not start by itself after a reboot; `wharf up` starts it and the nodes";
            return Ok(vec![Finding::ok(registry, words)]);
        }
        let by_hand = "have whatever starts your machine run `wharf up`";
        let Some(systemd) = Systemd::of(site)? else {
            let words = "does not start after a reboot: its engine's machine is not known";
            return Ok(vec![left(Finding::note(registry, words), by_hand)]);
        };
        Ok(match systemd.state(site)? {
            State::Absent(why) => {
                let words = format!("does not start after a reboot: {why}");
                vec![left(Finding::note(registry, words), by_hand)]
            }
            State::Enabled if !systemd.lacks_linger(site) => {
                vec![Finding::ok(registry, of_enabled(&systemd))]
            }
            State::Enabled => vec![
                Finding::fault(registry, "starts only when you log in")
                    .mended_by("let your services run without you (loginctl enable-linger)"),
            ],
            State::Disabled => vec![
                Finding::fault(registry, "does not start after a reboot")
                    .mended_by(format!("enable {UNIT}")),
            ],
        })
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        if !is_wanted(site) || site.engine.kind() == Kind::Docker {
            return Ok(());
        }
        let Some(systemd) = Systemd::of(site)? else { return Ok(()) };
        match systemd.state(site)? {
            State::Absent(_) => return Ok(()),
            State::Enabled => {}
            State::Disabled => {
                site.note(systemd.made(UNIT))?;
                site.hand().act(&systemd.program(&["enable", UNIT]))?;
            }
        }
        if systemd.lacks_linger(site) {
            site.note(systemd.made(LINGER))?;
            site.hand().act(&Program::new("loginctl", ["enable-linger"]))?;
        }
        Ok(())
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        for made in of_receipt(site) {
            let Made::Unit { name, in_machine } = &made else { continue };
            let systemd = Systemd::of(site)?.filter(|it| it.machine.is_some() == *in_machine);
            match systemd {
                Some(systemd) if name == UNIT && systemd.state(site)? == State::Enabled => {
                    site.hand().act(&systemd.program(&["disable", UNIT]))?;
                }
                Some(systemd) if name == LINGER && !systemd.lacks_linger(site) => {
                    site.hand().act(&Program::new("loginctl", ["disable-linger"]))?;
                }
                // It is gone already, or in a machine that is.
                _ => {}
            }
            site.strike(&made)?;
        }
        Ok(())
    }
}

fn of_enabled(systemd: &Systemd) -> String {
    match &systemd.machine {
        None => "starts after a reboot; `wharf up` starts the nodes".into(),
        Some(machine) => format!(
            "starts with `podman machine start {}`; `wharf up` starts the nodes",
            machine.name
        ),
    }
}

fn left(finding: Finding, fix: &str) -> Finding {
    Finding { fix: Some(fix.into()), ..finding }
}

/// Whether it is asked for, now or by the run that enabled it.
fn is_wanted(site: &Site) -> bool {
    site.config.autostart || !of_receipt(site).is_empty()
}

fn of_receipt(site: &Site) -> Vec<Made> {
    let made = site.receipt.made().into_iter();
    made.filter(|made| matches!(made, Made::Unit { .. })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::recorded::Answer;
    use crate::setup::Level;
    use crate::setup::site::tests::site;

    fn info(is_remote: bool, is_rootless: bool) -> Answer {
        Ok(format!(
            r#"{{"host":{{"arch":"arm64","serviceIsRemote":{is_remote},"security":{{"rootless":
                {is_rootless}}}}},"store":{{"graphRoot":"/x"}},"version":{{"Version":"5.6.2"}}}}"#
        )
        .into())
    }

    fn said(words: &str) -> Answer {
        Ok(words.as_bytes().to_vec())
    }

    /// The lines that change something.
    fn changes(lines: Vec<String>) -> Vec<String> {
        let changing = |line: &String| line.contains(" enable") || line.contains(" disable");
        lines.into_iter().filter(changing).collect()
    }

    #[test]
    fn unasked_nothing_is_enabled() {
        let (site, recorded) = site([("podman info", info(false, false))]);
        assert_eq!(Autostart.check(&site).unwrap()[0].level, Level::Ok);
        Autostart.apply(&site).unwrap();
        Autostart.undo(&site).unwrap();
        assert_eq!(recorded.lines(), [""; 0]);
    }

    #[test]
    fn podmans_own_unit_is_enabled_and_only_what_we_enabled_is_disabled() {
        for (state, enabled) in
            [("disabled\n", &["systemctl enable podman-restart.service"][..]), ("enabled\n", &[])]
        {
            let (mut site, recorded) = site([
                ("podman info", info(false, false)),
                ("systemctl show", said(state)),
                ("systemctl", said("")),
            ]);
            site.config.autostart = true;
            assert_eq!(Autostart.check(&site).unwrap()[0].mendable, !enabled.is_empty());
            Autostart.apply(&site).unwrap();
            assert_eq!(changes(recorded.lines()), enabled, "{state}");
            // One still says "disabled", the other was not enabled by us.
            Autostart.undo(&site).unwrap();
            assert_eq!(changes(recorded.lines()), enabled, "{state}");
            assert_eq!(site.receipt.made(), []);
        }
        let (site, recorded) = site([
            ("podman info", info(false, false)),
            ("systemctl show", said("enabled\n")),
            ("systemctl", said("")),
        ]);
        site.note(Made::Unit { name: UNIT.into(), in_machine: false }).unwrap();
        assert_eq!(Autostart.check(&site).unwrap()[0].level, Level::Ok);
        Autostart.undo(&site).unwrap();
        assert_eq!(changes(recorded.lines()), ["systemctl disable podman-restart.service"]);
    }

    #[test]
    fn without_root_the_users_services_must_run_without_the_user() {
        for (linger, changed) in [
            (said("yes\n"), &["systemctl --user enable podman-restart.service"][..]),
            (
                Err("Failed to get user: not logged in".into()),
                &["systemctl --user enable podman-restart.service", "loginctl enable-linger"],
            ),
        ] {
            let (mut site, recorded) = site([
                ("podman info", info(false, true)),
                ("systemctl --user show", said("disabled\n")),
                ("systemctl --user enable", said("")),
                ("loginctl show-user", linger),
                ("loginctl enable-linger", said("")),
            ]);
            site.config.autostart = true;
            Autostart.apply(&site).unwrap();
            assert_eq!(changes(recorded.lines()), changed);
            assert_eq!(site.receipt.made().len(), changed.len());
        }
    }

    #[test]
    fn in_a_virtual_machine_it_is_the_machines_systemd() {
        for (is_rootless, line) in [
            (true, "podman machine ssh m systemctl --user enable podman-restart.service"),
            (false, "podman machine ssh m sudo sh -c 'systemctl enable podman-restart.service'"),
        ] {
            let (mut site, recorded) = site([
                ("podman info", info(true, is_rootless)),
                ("podman machine list", said(r#"[{"Name":"m","Default":true,"Running":true}]"#)),
                ("podman system connection", said("[]")),
                ("podman machine ssh", said("disabled\n")),
            ]);
            site.config.autostart = true;
            Autostart.apply(&site).unwrap();
            assert_eq!(changes(recorded.lines()), [line]);
        }
    }

    #[test]
    fn without_systemd_it_is_left_to_the_user_and_stops_nothing() {
        for answer in [Err("System has not been booted with systemd".into()), said("\n")] {
            let (mut site, recorded) =
                site([("podman info", info(false, false)), ("systemctl show", answer)]);
            site.config.autostart = true;
            let found = Autostart.check(&site).unwrap();
            assert_eq!(found[0].level, Level::Note);
            assert!(found[0].fix.as_ref().unwrap().contains("wharf up"), "{found:?}");
            Autostart.apply(&site).unwrap();
            assert_eq!(changes(recorded.lines()), [""; 0]);
        }
    }
}
