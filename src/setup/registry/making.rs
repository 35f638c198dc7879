//! Making the registry's container, and putting it in the place of another one.
//!
//! In the place of another it is made beside that one first: what cannot be made costs nothing, and
//! the store is never without a container, not even if this ends half-way.

use super::super::config::PORT;
use super::super::engine::{Container, EngineError};
use super::super::receipt::Made;
use super::super::{SetupError, Site, secret};
use super::fault::{Fault, Mend};
use super::wanted::{OURS, Wanted};
use super::{Standing, answer, port, store};
use crate::process::RunError;

/// Runs the container where there is none.
///
/// # Errors
/// The port is taken, or the engine refuses.
pub fn run(site: &Site, wanted: &Wanted) -> Result<(), SetupError> {
    port::assert_free(site)?;
    clear_aside(site)?;
    store::note_new(site, &wanted.store)?;
    note(site, wanted)?;
    site.engine.act(wanted.run())?;
    remove_old_secrets(site, wanted)
}

/// Mends a container of ours.
///
/// # Errors
/// The port is taken, or the engine refuses.
pub fn mend(
    site: &Site,
    wanted: &Wanted,
    standing: &Standing,
    faults: &[Fault],
) -> Result<(), SetupError> {
    let has = |mend| faults.iter().any(|fault| fault.mend() == mend);
    if has(Mend::Replace) {
        if faults.contains(&Fault::SecretRefused)
            && let Some(secret) = secret::held(site)?
        {
            secret::make_anew(site, &secret)?;
        }
        return replace(site, wanted, standing);
    }
    if has(Mend::Connect) {
        if faults.contains(&Fault::NoAlias) {
            site.engine.act(["network", "disconnect", &wanted.network, &wanted.name])?;
        }
        connect(site, wanted)?;
    }
    if has(Mend::Start) {
        port::assert_free(site)?;
        return match site.engine.start(&standing.container) {
            // Something that it was made with is gone, as a mount.
            Err(EngineError::Run(RunError::Failed { .. })) => replace(site, wanted, standing),
            done => Ok(done?),
        };
    }
    if has(Mend::Wake) {
        answer::reload(site)?;
    }
    Ok(())
}

fn connect(site: &Site, wanted: &Wanted) -> Result<(), SetupError> {
    let (alias, network) = (&wanted.name, &wanted.network);
    match site.engine.act(["network", "connect", "--alias", alias, network, &wanted.name]) {
        // It may have been connected since it was looked at.
        Err(EngineError::Run(RunError::Failed { words, .. })) if words.contains("already") => {
            Ok(())
        }
        done => Ok(done?),
    }
}

/// Takes the place of a container that is not ours, if that was asked for.
///
/// # Errors
/// It was not asked for, or its images are in nothing but the container; the engine refuses.
pub fn take_over(site: &Site, wanted: &Wanted, standing: &Standing) -> Result<(), SetupError> {
    let (name, container) = (&wanted.name, &standing.container);
    if !site.config.replace_registry {
        return Err(SetupError::InTheWay {
            what: format!(
                "the container {name} was not made by wharf: it runs {}",
                container.image
            ),
            hint: remedy_for_foreign(site),
        });
    }
    let root = store::root_of(container);
    if standing.volume.is_none() {
        let engine = site.engine.kind().program();
        return Err(SetupError::InTheWay {
            what: format!("the images of {name} are in its folder {root}, which is in no volume"),
            hint: format!(
                "copy them out (`{engine} cp {name}:{root} FOLDER`), then `{engine} rm --force \
                 {name}` and `wharf up`"
            ),
        });
    }
    replace(site, wanted, standing)
}

/// What to do about a container that is not ours.
pub fn remedy_for_foreign(site: &Site) -> String {
    format!(
        "`wharf up --replace-registry` takes its place and goes on with its images; or give ours \
         another name: `wharf up --registry-name {}-2`",
        site.config.registry
    )
}

/// Puts another container in the place of one, with its store.
fn replace(site: &Site, wanted: &Wanted, standing: &Standing) -> Result<(), SetupError> {
    let old = &standing.container;
    // It gives the port free itself.
    let has_port = old.publications(PORT).iter().any(|it| it.port == wanted.port);
    if !(old.is_running && has_port) {
        port::assert_free(site)?;
    }
    let store = standing.volume.clone().unwrap_or_else(|| wanted.store.clone());
    let wanted = Wanted { store, ..wanted.clone() };
    store::note_found(site, standing.volume.as_deref())?;
    store::note_new(site, &wanted.store)?;
    clear_aside(site)?;
    note(site, &wanted)?;
    let aside = aside(site);
    site.engine.act(wanted.create(&aside))?;
    site.engine.act(["rm", "--force", &wanted.name])?;
    site.engine.act(["rename", &aside, &wanted.name])?;
    site.engine.act(["start", &wanted.name])?;
    remove_old_secrets(site, &wanted)
}

/// Writes down what is about to be made.
fn note(site: &Site, wanted: &Wanted) -> Result<(), SetupError> {
    let now = Made::Port { port: wanted.port };
    strike_port(site, Some(&now))?;
    site.note(now)?;
    site.note(Made::Registry { name: wanted.name.clone() })
}

/// Strikes out what is written of the container, which is gone.
///
/// # Errors
/// The receipt cannot be written.
pub fn strike(site: &Site) -> Result<(), SetupError> {
    strike_port(site, None)?;
    site.strike(&Made::Registry { name: site.config.registry.clone() })
}

/// Strikes out every port but one.
fn strike_port(site: &Site, but: Option<&Made>) -> Result<(), SetupError> {
    let ports = site.receipt.made().into_iter().filter(|it| matches!(it, Made::Port { .. }));
    ports.filter(|it| Some(it) != but).try_for_each(|port| site.strike(&port))
}

/// Makes sure that the name beside the container is free.
fn clear_aside(site: &Site) -> Result<(), SetupError> {
    remove_leftover(site)?;
    let name = aside(site);
    match site.engine.container(&name)? {
        Some(other) if !site.hand().is_dry() => Err(SetupError::InTheWay {
            what: format!("the container {name} was not made by wharf: it runs {}", other.image),
            hint: format!("give it another name, or remove it; wharf needs {name} for a moment"),
        }),
        _ => Ok(()),
    }
}

/// Removes what a run that was ended left beside the container. Its store is known without it.
///
/// # Errors
/// The engine refuses.
pub fn remove_leftover(site: &Site) -> Result<(), SetupError> {
    let name = aside(site);
    let is_ours = |found: Container| found.label(OURS).is_some();
    if site.engine.container(&name)?.is_some_and(is_ours) {
        site.engine.act(["rm", "--force", &name])?;
    }
    Ok(())
}

/// The name of a container while another one has its own.
fn aside(site: &Site) -> String {
    format!("{}-next", site.config.registry)
}

/// Those that older containers were given.
fn remove_old_secrets(site: &Site, wanted: &Wanted) -> Result<(), SetupError> {
    match &wanted.ingest {
        Some(shown) => secret::remove_old(site, &shown.secret),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::site::tests::site;

    #[test]
    fn images_that_are_in_nothing_but_a_container_are_not_lost_with_it() {
        let (mut site, recorded) = site([
            ("podman info", Ok(br#"{"host":{"arch":"amd64"},"store":{"graphRoot":"/x"},"version":{"Version":"5.6.2"}}"#.into())),
            ("podman image inspect", Err("no such image".into())),
        ]);
        (site.config.replace_registry, site.config.ingest) = (true, false);
        let wanted = Wanted::read(&site).unwrap();
        let asked = recorded.lines().len();
        let container = Container { name: wanted.name.clone(), ..Container::default() };
        let standing =
            Standing { container, is_ours: false, port: None, volume: None, ingest: false };
        let error = take_over(&site, &wanted, &standing).unwrap_err();
        assert!(error.to_string().contains("in no volume"), "{error}");
        assert_eq!(recorded.lines().len(), asked, "{:?}", recorded.lines());
    }
}
