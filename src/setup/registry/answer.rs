//! That the registry answers: waited for after every start, and helped where its port leads nowhere.

use std::time::Duration;

use super::super::engine::Kind;
use super::super::{SetupError, Site, secret};
use super::fault::Fault;
use super::probe::{Answer, await_registry};
use super::wanted::Wanted;

/// How long a registry that runs has to answer before it counts as broken.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// How long a registry that was just started has to answer. It scans nothing, but machines can be busy.
const START_MAX: Duration = Duration::from_secs(20);
/// How many lines of its log are shown when it stays broken.
const LOG_LINES: u16 = 10;

/// What is wrong with a registry that looks well from outside.
///
/// # Errors
/// The secret is not known.
pub fn fault(site: &Site, wanted: &Wanted) -> Result<Option<Fault>, SetupError> {
    Ok(match asked(site, wanted, LOOK_MAX)? {
        Answer::Registry => None,
        Answer::SecretRefused => Some(Fault::SecretRefused),
        Answer::Nothing | Answer::Other(_) => Some(Fault::Unreachable),
    })
}

/// Waits until the registry answers on its port. Where it answers inside its container alone, the
/// forward of the port is made anew: Podman loses it at times.
///
/// # Errors
/// It does not answer, with the end of its log; the engine refuses.
pub fn assured(site: &Site, wanted: &Wanted) -> Result<(), SetupError> {
    let mut answer = asked(site, wanted, LOOK_MAX)?;
    if answer == Answer::Nothing && !is_well_inside(site, wanted) {
        answer = asked(site, wanted, START_MAX)?;
    }
    if answer == Answer::Nothing && is_well_inside(site, wanted) {
        reload(site)?;
        answer = asked(site, wanted, LOOK_MAX)?;
        if answer == Answer::Nothing {
            site.engine.act(["restart", &wanted.name])?;
            answer = asked(site, wanted, START_MAX)?;
        }
    }
    match answer {
        // A secret that is refused is found, and mended, as any other fault.
        Answer::Registry | Answer::SecretRefused => Ok(()),
        Answer::Nothing => Err(broken(site, wanted, "nothing answers")),
        Answer::Other(server) => Err(broken(site, wanted, &format!("{server} answers"))),
    }
}

/// Makes the forwards of the registry's ports anew. Docker never loses them.
///
/// # Errors
/// The engine refuses.
pub fn reload(site: &Site) -> Result<(), SetupError> {
    match site.engine.kind() {
        Kind::Podman => Ok(site.engine.act(["network", "reload", &site.config.registry])?),
        Kind::Docker => Ok(()),
    }
}

fn asked(site: &Site, wanted: &Wanted, max: Duration) -> Result<Answer, SetupError> {
    let secret = match wanted.ingest {
        Some(_) => secret::held(site)?,
        None => None,
    };
    Ok(await_registry(wanted.port, secret.as_ref(), max))
}

/// Whether the registry answers to itself.
fn is_well_inside(site: &Site, wanted: &Wanted) -> bool {
    let asked = site.engine.program(["exec", &wanted.name, "/wharf", "healthcheck"]);
    site.hand().ask_anew(&asked).is_ok()
}

fn broken(site: &Site, wanted: &Wanted, what: &str) -> SetupError {
    let Wanted { name, port, .. } = wanted;
    let log = match site.engine.log(name, LOG_LINES) {
        Ok(log) if !log.is_empty() => format!("; its log ends with\n{log}"),
        _ => String::new(),
    };
    SetupError::Broken {
        what: format!("{name} was started, and {what} on 127.0.0.1:{port}{log}"),
        hint: format!("`{} logs {name}` shows all of its log", site.engine.kind().program()),
    }
}
