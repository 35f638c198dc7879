//! The drop-in of registries.conf.d that lets a plain `podman push` speak HTTP to the registry, where it
//! is asked for: on the side that pushes, which on macOS is in Podman's virtual machine.
//!
//! A file of that name that is none of ours is left alone, and so is a rule of the user's that says the
//! same.

mod side;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use wharf_client::RegistryRule;

use super::engine::Kind;
use super::machine::{self, quoted};
use super::receipt::Made;
use super::{Config, Finding, SetupError, Site, Step};
use side::{FOLDER, Rules, SHARED, Side, in_shell};

/// The drop-in as a step.
#[derive(Debug)]
pub struct DropIn;

/// What it is about.
const ABOUT: &str = "podman push";

/// The first line of our file, by which it is known where the receipt was lost.
const HEADER: &str = "# By `wharf up --podman-push`; `wharf down` removes it.";

fn text(config: &Config) -> String {
    format!("{HEADER}\n[[registry]]\nlocation = \"{}\"\ninsecure = true\n", config.host_name())
}

impl Rules {
    /// Whether a push speaks HTTP to the registry.
    fn let_through(&self, config: &Config) -> bool {
        let registry = config.host_name();
        let stays = |rule: &RegistryRule| rule.location.as_ref().is_none_or(|it| *it == registry);
        let rule = self.conf.find(&registry, None);
        rule.is_some_and(|rule| rule.insecure && !rule.blocked && stays(rule))
    }

    /// Whether the file of our name is not ours.
    fn is_foreign(&self) -> bool {
        self.ours.as_ref().is_some_and(|text| !text.starts_with(HEADER))
    }
}

impl Step for DropIn {
    fn name(&self) -> &'static str {
        "podman-push"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let config = &site.config;
        let registry = config.host_name();
        if site.engine.kind() == Kind::Docker {
            let words = format!("speaks HTTP to {registry}, as to all of this machine");
            return Ok(vec![Finding::ok("docker push", words)]);
        }
        let is_wanted = is_wanted(site);
        let unasked = || {
            let words = format!(
                "needs --tls-verify=false for {registry}, unless `wharf up --podman-push` sees to it"
            );
            vec![Finding::ok(ABOUT, words)]
        };
        // To look into a virtual machine takes a while.
        if !is_wanted && site.engine.info()?.is_remote {
            return Ok(unasked());
        }
        let Some(side) = Side::of(site)? else {
            let words =
                format!("runs on another machine, whose rules for {registry} are not known");
            let line = format!("write there, to {SHARED}/{FOLDER}/50-wharf.conf: {}", text(config));
            return Ok(vec![Finding { fix: Some(line), ..Finding::note(ABOUT, words) }]);
        };
        let rules = side.rules(site)?;
        if rules.let_through(config) {
            return Ok(vec![Finding::ok(ABOUT, format!("speaks HTTP to {registry}"))]);
        }
        if !is_wanted {
            return Ok(unasked());
        }
        let path = side.path(config);
        let fault = Finding::fault(ABOUT, format!("asks {registry} for TLS"));
        Ok(vec![if rules.is_foreign() {
            let fix = format!("{} is not wharf's: remove it, or add the rule", path.display());
            fault.left_to_you(fix)
        } else if rules.ours.as_deref() == Some(text(config).as_str()) {
            let fix = "another file of registries.conf.d says so, and counts more: look there";
            fault.left_to_you(fix)
        } else {
            fault.mended_by(format!("write {}", path.display()))
        }])
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        if !is_wanted(site) || site.engine.kind() == Kind::Docker {
            return Ok(());
        }
        let Some(side) = Side::of(site)? else { return Ok(()) };
        let rules = side.rules(site)?;
        let text = text(&site.config);
        if rules.let_through(&site.config)
            || rules.is_foreign()
            || rules.ours.as_ref() == Some(&text)
        {
            return Ok(());
        }
        site.note(side.made(&site.config))?;
        side.write(site, &text)
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        for made in of_receipt(site) {
            match &made {
                Made::File { path, in_machine: false } => {
                    let is_ours = match fs::read_to_string(path) {
                        Ok(text) => text.starts_with(HEADER),
                        Err(error) => error.kind() == ErrorKind::NotFound,
                    };
                    if is_ours {
                        site.hand().remove(path)?;
                    }
                }
                Made::File { path, .. } => remove_inside(site, path)?,
                _ => continue,
            }
            site.strike(&made)?;
        }
        Ok(())
    }
}

/// Removes our file from the virtual machine, unless it is somebody else's by now. A machine that is
/// gone took it with it.
fn remove_inside(site: &Site, path: &Path) -> Result<(), SetupError> {
    let Some(machine) = machine::of_engine(&site.engine)? else { return Ok(()) };
    let (file, header) = (in_shell(path), quoted(HEADER));
    let line = format!("! grep -qsF {header} {file} || rm {file}");
    let as_root = !path.starts_with("~");
    Ok(site.hand().act(&machine.shell(&line, as_root)).map(drop)?)
}

/// Whether it is asked for, now or by the run that made it.
fn is_wanted(site: &Site) -> bool {
    site.config.drop_in || !of_receipt(site).is_empty()
}

/// What the receipt says of files in registries.conf.d.
fn of_receipt(site: &Site) -> Vec<Made> {
    let is_drop_in = |made: &Made| match made {
        Made::File { path, .. } => path.parent().is_some_and(|folder| folder.ends_with(FOLDER)),
        _ => false,
    };
    site.receipt.made().into_iter().filter(is_drop_in).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::side::files_of;
    use super::*;
    use crate::process::recorded::Answer;
    use crate::setup::site::tests::{Ground, site};

    const MACHINES: &str = r#"[{"Name":"m","Default":true,"Running":true}]"#;
    const CONNECTIONS: &str = r#"[{"Name":"m-root","URI":"ssh://root@127.0.0.1:1/run/podman/podman.sock","Default":true}]"#;

    fn info(is_remote: bool, is_rootless: bool) -> Answer {
        Ok(format!(
            r#"{{"host":{{"arch":"arm64","serviceIsRemote":{is_remote},"security":{{"rootless":
                {is_rootless}}}}},"store":{{"graphRoot":"/x"}},"version":{{"Version":"5.6.2"}}}}"#
        )
        .into())
    }

    fn here() -> Ground {
        let mut site = site([("podman info", info(false, false))]).0;
        site.config.registry = "kind-registry".into();
        // No rule of the machine on which the test runs is for it.
        site.config.port = 59_997;
        site
    }

    fn path(site: &Site) -> PathBuf {
        site.places.config.join("containers/registries.conf.d/50-wharf-kind-registry.conf")
    }

    #[test]
    fn it_is_written_where_it_is_asked_for_and_taken_away_again() {
        let mut site = here();
        assert!(!DropIn.check(&site).unwrap()[0].is_fault(), "unasked, it is no fault");
        DropIn.apply(&site).unwrap();
        assert!(!path(&site).exists());

        site.config.drop_in = true;
        assert!(DropIn.check(&site).unwrap()[0].mendable);
        DropIn.apply(&site).unwrap();
        assert!(fs::read_to_string(path(&site)).unwrap().contains("localhost:59997"));
        assert_eq!(DropIn.check(&site).unwrap()[0].words, "speaks HTTP to localhost:59997");

        // Another port later, and asked for no more than the receipt does.
        (site.config.port, site.config.drop_in) = (59_998, false);
        assert!(DropIn.check(&site).unwrap()[0].mendable);
        DropIn.apply(&site).unwrap();
        assert!(!DropIn.check(&site).unwrap()[0].is_fault());

        DropIn.undo(&site).unwrap();
        assert!(!path(&site).exists());
        assert_eq!(site.receipt.made(), []);
        DropIn.undo(&site).unwrap();
    }

    #[test]
    fn a_foreign_file_of_that_name_is_left_alone() {
        let mut site = here();
        site.config.drop_in = true;
        fs::create_dir_all(path(&site).parent().unwrap()).unwrap();
        fs::write(path(&site), "# mine\n").unwrap();
        let found = DropIn.check(&site).unwrap();
        assert!(found[0].is_fault() && !found[0].mendable, "{found:?}");
        DropIn.apply(&site).unwrap();
        DropIn.undo(&site).unwrap();
        assert_eq!(fs::read_to_string(path(&site)).unwrap(), "# mine\n");
    }

    #[test]
    fn a_rule_of_the_users_is_enough_and_one_that_forbids_counts_more() {
        let mut site = here();
        site.config.drop_in = true;
        let own = path(&site).with_file_name("90-own.conf");
        fs::create_dir_all(own.parent().unwrap()).unwrap();
        let rule = |insecure| {
            format!("[[registry]]\nlocation = \"localhost:59997\"\ninsecure = {insecure}\n")
        };
        fs::write(&own, rule(true)).unwrap();
        DropIn.apply(&site).unwrap();
        assert!(!path(&site).exists());

        fs::write(&own, rule(false)).unwrap();
        DropIn.apply(&site).unwrap();
        let found = DropIn.check(&site).unwrap();
        assert!(found[0].is_fault() && !found[0].mendable, "{found:?}");
        fs::write(&own, "[[registry]\n").unwrap();
        assert!(DropIn.check(&site).unwrap_err().to_string().contains("90-own.conf"));
    }

    #[test]
    fn in_a_virtual_machine_it_is_written_there() {
        for (is_rootless, prefix, file) in [
            (true, "podman machine ssh m ", "~/.config/containers/registries.conf.d/50-wharf-"),
            (
                false,
                "podman machine ssh m sudo sh -c ",
                "/etc/containers/registries.conf.d/50-wharf-",
            ),
        ] {
            let (mut site, recorded) = site([
                ("podman info", info(true, is_rootless)),
                ("podman machine list", Ok(MACHINES.into())),
                ("podman system connection", Ok(CONNECTIONS.into())),
                ("podman machine ssh", Ok(b"#==> /etc/containers/registries.conf\nunqualified-search-registries=[\"docker.io\"]\n\n".to_vec())),
            ]);
            site.config.drop_in = true;
            assert!(DropIn.check(&site).unwrap()[0].mendable);
            DropIn.apply(&site).unwrap();
            let lines = recorded.lines();
            let written = lines.last().unwrap();
            assert!(written.starts_with(prefix) && written.contains(file), "{written}");
            assert_eq!(recorded.inputs(), [text(&site.config).as_bytes()]);
            DropIn.undo(&site).unwrap();
            let lines = recorded.lines();
            let removed = lines.last().unwrap();
            assert!(removed.starts_with(prefix) && removed.contains("|| rm"), "{removed}");
            assert_eq!(site.receipt.made(), []);
        }
    }

    #[test]
    fn what_a_machine_says_is_read_file_by_file() {
        let answer =
            "#==> /etc/containers/registries.conf\na = 1\n\n#==> /x/b.conf\n[[registry]]\n";
        assert_eq!(
            files_of(answer),
            [
                ("/etc/containers/registries.conf".into(), "a = 1\n".into()),
                ("/x/b.conf".into(), "[[registry]]\n".into())
            ]
        );
    }
}
