//! Whether `kind` and the engine know each other: Podman 6 answers in a way that Kind up to 0.32 cannot
//! read. Wharf itself asks the engine, and does not mind.

use crate::process::{Program, RunError};
use crate::setup::engine::Kind;
use crate::setup::error::how_to_get;
use crate::setup::{Finding, SetupError, Site, Step};

/// The versions as a check.
#[derive(Debug)]
pub struct KindVersion;

/// The first Podman whose answers changed.
const PODMAN: u32 = 6;
/// The last Kind that does not know them.
const KIND: (u32, u32) = (0, 32);

impl Step for KindVersion {
    fn name(&self) -> &'static str {
        "kind-version"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let answer = match site.hand().ask(&Program::new("kind", ["version"])) {
            Err(RunError::Missing { .. }) => {
                let words = "is not on the PATH: clusters can be wired, but none can be made";
                return Ok(vec![Finding {
                    fix: how_to_get("kind"),
                    ..Finding::note("kind", words)
                }]);
            }
            answer => String::from_utf8_lossy(&answer?).into_owned(),
        };
        let version = answer.split_whitespace().nth(1).unwrap_or_default().trim_start_matches('v');
        let engine = site.engine.info()?.version;
        Ok(vec![match site.engine.kind() {
            Kind::Podman => judge(version, &engine),
            Kind::Docker => Finding::ok("kind", format!("version {version}")),
        }])
    }

    fn apply(&self, _: &Site) -> Result<(), SetupError> {
        Ok(()) // programs of the machine are the user's
    }
}

fn judge(kind: &str, podman: &str) -> Finding {
    if numbers(podman).0 >= PODMAN && numbers(kind) <= KIND {
        let words = format!(
            "version {kind} cannot read what Podman {podman} answers: `kind get clusters` and `kind \
             delete cluster` fail with \"cannot index slice\""
        );
        return Finding { fix: Some("update kind".into()), ..Finding::note("kind", words) };
    }
    Finding::ok("kind", format!("version {kind} knows Podman {podman}"))
}

/// The first two numbers of a version.
fn numbers(version: &str) -> (u32, u32) {
    let mut numbers = version.split(['.', '-', '+']).map(|it| it.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::Level;
    use crate::setup::site::tests::site;

    #[test]
    fn a_kind_that_does_not_know_podman_is_told() {
        assert_eq!(judge("0.32.0", "6.0.1").level, Level::Note);
        for (kind, podman) in [("0.33.0", "6.0.1"), ("0.32.0", "5.6.2"), ("0.32.0", "4.3.1")] {
            assert_eq!(judge(kind, podman).level, Level::Ok, "{kind} {podman}");
        }
    }

    #[test]
    fn the_version_is_read_from_what_kind_prints() {
        let info =
            r#"{"host":{"arch":"amd64"},"store":{"graphRoot":"/x"},"version":{"Version":"4.3.1"}}"#;
        let (site, _) = site([
            ("kind version", Ok("kind v0.32.0 go1.26.1 linux/amd64\n".into())),
            ("podman info", Ok(info.into())),
        ]);
        let found = KindVersion.check(&site).unwrap();
        assert_eq!(found, [Finding::ok("kind", "version 0.32.0 knows Podman 4.3.1")]);
    }
}
