//! The registry's container: made, looked after, and put in the place of an older one, always with the
//! images of the one before. A container without our label is somebody's, and never touched unasked.

mod answer;
mod fault;
mod making;
mod port;
mod probe;
mod store;
mod wanted;

use super::config::PORT;
use super::engine::Container;
use super::receipt::Made;
use super::{Finding, SetupError, Site, Step};
use fault::Fault;
use wanted::{CONTAINERS_STORAGE, OURS, Wanted};

/// The registry's container as it stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The container.
    pub container: Container,
    /// Whether we made it.
    pub is_ours: bool,
    /// Its port on the host, if it has one.
    pub port: Option<u16>,
    /// The volume with its store, or the folder of the engine's machine, if it is in one.
    pub volume: Option<String>,
    /// Whether it takes images out of the engine's store.
    pub ingest: bool,
}

impl Standing {
    /// Looks at it; none if there is no such container.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn read(site: &Site) -> Result<Option<Self>, SetupError> {
        Ok(site.engine.container(&site.config.registry)?.map(Self::of))
    }

    fn of(container: Container) -> Self {
        Self {
            is_ours: container.label(OURS).is_some(),
            port: container.publications(PORT).first().map(|published| published.port),
            volume: store::of(&container),
            ingest: container.variable(CONTAINERS_STORAGE).is_some(),
            container,
        }
    }
}

/// The registry as a step.
#[derive(Debug)]
pub struct TheRegistry;

impl Step for TheRegistry {
    fn name(&self) -> &'static str {
        "registry"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let name = &site.config.registry;
        let Some(standing) = Standing::read(site)? else {
            return Ok(vec![Finding::fault(name, "is missing").mended_by("run it")]);
        };
        if !standing.is_ours {
            let image = &standing.container.image;
            let fault = Finding::fault(name, format!("was not made by wharf: it runs {image}"));
            return Ok(vec![match site.config.replace_registry {
                true => fault.mended_by("take its place, and go on with its images"),
                false => fault.left_to_you(making::remedy_for_foreign(site)),
            }]);
        }
        let wanted = Wanted::read(site)?;
        let faults = faults(site, &standing.container, &wanted)?;
        if faults.is_empty() {
            let ingest = if standing.ingest { ", and takes images in" } else { "" };
            let words = format!("answers on 127.0.0.1:{}{ingest}", wanted.port);
            return Ok(vec![Finding::ok(name, words)]);
        }
        Ok(faults.iter().map(|fault| fault.finding(&wanted)).collect())
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        let wanted = Wanted::read(site)?;
        match Standing::read(site)? {
            None => making::run(site, &wanted)?,
            Some(standing) if standing.is_ours => {
                let faults = faults(site, &standing.container, &wanted)?;
                if faults.is_empty() {
                    return Ok(());
                }
                making::mend(site, &wanted, &standing, &faults)?;
            }
            Some(standing) => making::take_over(site, &wanted, &standing)?,
        }
        if site.hand().is_dry() {
            return Ok(());
        }
        answer::assured(site, &wanted)?;
        // A secret that the engine had before may be another than its name says.
        match (answer::fault(site, &wanted)?, Standing::read(site)?) {
            (Some(refused @ Fault::SecretRefused), Some(standing)) => {
                making::mend(site, &wanted, &standing, &[refused])?;
                answer::assured(site, &wanted)
            }
            _ => Ok(()),
        }
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        let name = &site.config.registry;
        let made = Made::Registry { name: name.clone() };
        let mut was_ours = site.receipt.has(&made);
        match Standing::read(site)? {
            Some(standing) if standing.is_ours => {
                was_ours = true;
                // The container may be the only one who knows.
                store::note_found(site, standing.volume.as_deref())?;
                site.engine.act(["rm", "--force", name])?;
            }
            Some(standing) => {
                let image = &standing.container.image;
                site.hand().say(format_args!("{name} stays: wharf did not make it ({image})"));
            }
            None => {}
        }
        making::remove_leftover(site)?;
        making::strike(site)?;
        store::undo(site, was_ours)
    }
}

/// Everything that is wrong with a container of ours; whether it answers is looked at when nothing else is.
fn faults(site: &Site, container: &Container, wanted: &Wanted) -> Result<Vec<Fault>, SetupError> {
    let known = Fault::all(container, wanted);
    match known.is_empty() {
        true => Ok(answer::fault(site, wanted)?.into_iter().collect()),
        false => Ok(known),
    }
}
