//! The registry's container: made, looked after, and put in the place of an older one, always with the
//! images of the one before.
//!
//! A container without our label is somebody's, and never touched unasked. Another container is made
//! beside the old one before that goes, so that what cannot be made costs nothing, and no volume is ever
//! without a container.

mod answer;
mod fault;
mod port;
mod wanted;

use std::time::Duration;

use wharf_oci::ingest::Secret;

use super::config::PORT;
use super::engine::{Container, EngineError, Kind};
use super::receipt::Made;
use super::{Finding, SetupError, Site, Step, secret};
use crate::process::RunError;
use answer::Answer;
use fault::{Fault, Mend};
use wanted::{OURS, Wanted, root_of, store_of};

/// How long a registry that runs has to answer before it counts as broken, when it is looked at.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// How long a registry that was just started, or given its ports anew, has to answer.
const START_MAX: Duration = Duration::from_secs(10);
/// How many lines of its log are shown when it stays broken.
const LOG_LINES: u16 = 10;

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
            volume: store_of(&container),
            ingest: container.variable(wanted::CONTAINERS_STORAGE).is_some(),
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
        let container = &standing.container;
        if !standing.is_ours {
            let words = format!("was not made by wharf: it runs {}", container.image);
            let fault = Finding::fault(name, words);
            return Ok(vec![match site.config.replace_registry {
                true => fault.mended_by("take its place, and go on with its images"),
                false => fault.left_to_you(remedy_for_foreign(site)),
            }]);
        }
        let wanted = Wanted::read(site)?;
        let faults = faults(site, container, &wanted)?;
        if faults.is_empty() {
            let ingest = if standing.ingest { "; it takes images in" } else { "" };
            let words = format!("answers on 127.0.0.1:{}{ingest}", wanted.port);
            return Ok(vec![Finding::ok(name, words)]);
        }
        Ok(faults.iter().map(|fault| fault.finding(&wanted)).collect())
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        let wanted = Wanted::read(site)?;
        match Standing::read(site)? {
            None => run(site, &wanted)?,
            Some(standing) if standing.is_ours => {
                let faults = faults(site, &standing.container, &wanted)?;
                if faults.is_empty() {
                    return Ok(());
                }
                mend(site, &wanted, &standing, &faults)?;
            }
            Some(standing) => take_over(site, &wanted, &standing)?,
        }
        if site.hand().is_dry() {
            return Ok(());
        }
        wake(site, &wanted)
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        let name = &site.config.registry;
        let standing = Standing::read(site)?;
        if let Some(standing) = standing.as_ref().filter(|standing| standing.is_ours) {
            // A volume of another name than ours is known by the container alone.
            note_store(site, standing.volume.as_deref())?;
            site.engine.act(["rm", "--force", name])?;
        } else if let Some(standing) = &standing {
            let image = &standing.container.image;
            site.hand().say(format_args!("{name} stays: wharf did not make it ({image})"));
        }
        remove_aside(site, &format!("{name}-next"))?;
        site.strike(&Made::Registry { name: name.clone() })?;
        undo_store(site)
    }
}

/// Everything that is wrong with a container of ours; whether it answers is looked at when nothing else is.
fn faults(site: &Site, container: &Container, wanted: &Wanted) -> Result<Vec<Fault>, SetupError> {
    let known = Fault::all(container, wanted);
    if !known.is_empty() {
        return Ok(known);
    }
    let secret = secret_of(site, wanted)?;
    Ok(match answer::await_registry(wanted.port, secret.as_ref(), LOOK_MAX) {
        Answer::Registry => Vec::new(),
        Answer::SecretRefused => vec![Fault::SecretRefused],
        Answer::Nothing | Answer::Other(_) => vec![Fault::Unreachable],
    })
}

/// The secret that the registry must take.
fn secret_of(site: &Site, wanted: &Wanted) -> Result<Option<Secret>, SetupError> {
    match wanted.ingest {
        Some(_) => Ok(secret::held(site)?),
        None => Ok(None),
    }
}

fn remedy_for_foreign(site: &Site) -> String {
    format!(
        "`wharf up --replace-registry` takes its place and goes on with its images; or give ours \
         another name: `wharf up --registry-name {}-2`",
        site.config.registry
    )
}

/// Runs the container where there is none.
fn run(site: &Site, wanted: &Wanted) -> Result<(), SetupError> {
    port::assert_free(site)?;
    remove_aside(site, &wanted.aside())?;
    if wanted.store == site.config.volume && !site.engine.has_volume(&wanted.store)? {
        site.note(Made::Volume { name: wanted.store.clone() })?;
    }
    site.note(Made::Registry { name: wanted.name.clone() })?;
    site.engine.act(wanted.run())?;
    remove_old_secrets(site, wanted)
}

/// Mends a container of ours.
fn mend(
    site: &Site,
    wanted: &Wanted,
    standing: &Standing,
    faults: &[Fault],
) -> Result<(), SetupError> {
    let has = |mend| faults.iter().any(|fault| fault.mend() == mend);
    if has(Mend::Replace) {
        if let (true, Some(secret)) =
            (faults.contains(&Fault::SecretRefused), secret_of(site, wanted)?)
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
        site.engine.act(["start", &wanted.name])?;
    }
    Ok(())
}

fn connect(site: &Site, wanted: &Wanted) -> Result<(), SetupError> {
    let (alias, network) = (&wanted.name, &wanted.network);
    let done = site.engine.act(["network", "connect", "--alias", alias, network, &wanted.name]);
    match done {
        Err(EngineError::Run(RunError::Failed { words, .. })) if words.contains("already") => {
            Ok(())
        }
        done => Ok(done?),
    }
}

/// Takes the place of a container that is not ours, if that was asked for.
fn take_over(site: &Site, wanted: &Wanted, standing: &Standing) -> Result<(), SetupError> {
    let (name, container) = (&wanted.name, &standing.container);
    let in_the_way = |what, hint| Err(SetupError::InTheWay { what, hint });
    if !site.config.replace_registry {
        let what =
            format!("the container {name} was not made by wharf: it runs {}", container.image);
        return in_the_way(what, remedy_for_foreign(site));
    }
    let root = root_of(container);
    if standing.volume.is_none() && root != wanted::ROOT {
        let engine = site.engine.kind().program();
        return in_the_way(
            format!("the images of {name} are in its folder {root}, which is in no volume"),
            format!(
                "copy them out (`{engine} cp {name}:{root} FOLDER`), `{engine} rm --force {name}`, and \
                 `wharf up`"
            ),
        );
    }
    replace(site, wanted, standing)
}

/// Puts another container in the place of one, with its store.
fn replace(site: &Site, wanted: &Wanted, standing: &Standing) -> Result<(), SetupError> {
    let old = &standing.container;
    // It gives the port free itself.
    let has_port = old.publications(PORT).iter().any(|it| it.port == wanted.port);
    if !(old.is_running && has_port) {
        port::assert_free(site)?;
    }
    note_store(site, standing.volume.as_deref())?;
    let store = standing.volume.clone().unwrap_or_else(|| wanted.store.clone());
    let wanted = Wanted { store, ..wanted.clone() };
    remove_aside(site, &wanted.aside())?;
    site.note(Made::Registry { name: wanted.name.clone() })?;
    site.engine.act(wanted.create_aside())?;
    site.engine.act(["rm", "--force", &wanted.name])?;
    site.engine.act(["rename", &wanted.aside(), &wanted.name])?;
    site.engine.act(["start", &wanted.name])?;
    remove_old_secrets(site, &wanted)
}

/// Removes what a run that was ended left beside the container. Its store is known without it.
fn remove_aside(site: &Site, name: &str) -> Result<(), SetupError> {
    match site.engine.container(name)? {
        Some(aside) if aside.label(OURS).is_some() => {
            Ok(site.engine.act(["rm", "--force", name])?)
        }
        Some(aside) => Err(SetupError::InTheWay {
            what: format!("the container {name} was not made by wharf: it runs {}", aside.image),
            hint: format!("give it another name, or remove it; wharf needs {name} for a moment"),
        }),
        None => Ok(()),
    }
}

fn remove_old_secrets(site: &Site, wanted: &Wanted) -> Result<(), SetupError> {
    match &wanted.ingest {
        Some(shown) => secret::remove_old(site, &shown.secret),
        None => Ok(()),
    }
}

/// Keeps in mind where the images are, if it is not where they would be by themselves.
fn note_store(site: &Site, store: Option<&str>) -> Result<(), SetupError> {
    match store {
        Some(store) if store != site.config.volume => {
            site.note(Made::TakenOver { source: store.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Waits until the registry answers on its port. Where it does so inside its container alone, the
/// forward of the port is made anew: Podman loses it at times.
fn wake(site: &Site, wanted: &Wanted) -> Result<(), SetupError> {
    let secret = secret_of(site, wanted)?;
    let answers = |max| answer::await_registry(wanted.port, secret.as_ref(), max);
    let mut answer = answers(LOOK_MAX);
    if answer == Answer::Nothing
        && site.engine.kind() == Kind::Podman
        && is_well_inside(site, wanted)
    {
        site.engine.act(["network", "reload", &wanted.name])?;
        answer = answers(LOOK_MAX);
        if answer == Answer::Nothing {
            site.engine.act(["restart", &wanted.name])?;
        }
    }
    if answer == Answer::Nothing {
        answer = answers(START_MAX);
    }
    match answer {
        Answer::Registry | Answer::SecretRefused => Ok(()),
        Answer::Nothing => Err(broken(site, wanted, "nothing answers")),
        Answer::Other(server) => Err(broken(site, wanted, &format!("{server} answers"))),
    }
}

/// Whether the registry answers to itself.
fn is_well_inside(site: &Site, wanted: &Wanted) -> bool {
    let asked = site.engine.program(["exec", &wanted.name, "/wharf", "healthcheck"]);
    site.hand().ask_anew(&asked).is_ok()
}

fn broken(site: &Site, wanted: &Wanted, what: &str) -> SetupError {
    let Wanted { name, port, .. } = wanted;
    let log = site.engine.log(name, LOG_LINES).unwrap_or_default();
    let log = match log.is_empty() {
        true => String::new(),
        false => format!("; its log ends with\n{log}"),
    };
    SetupError::Broken {
        what: format!("{name} was started, and {what} on 127.0.0.1:{port}{log}"),
        hint: format!("`{} logs {name}` shows all of its log", site.engine.kind().program()),
    }
}

/// The store goes where that is asked for, but never a folder that was somebody's; else it is named.
fn undo_store(site: &Site) -> Result<(), SetupError> {
    let own = Made::Volume { name: site.config.volume.clone() };
    let known = site.receipt.made().into_iter().filter(|it| matches!(it, Made::TakenOver { .. }));
    for made in known.chain([own]) {
        let (Made::TakenOver { source: store } | Made::Volume { name: store }) = &made else {
            continue;
        };
        if store.starts_with('/') {
            site.hand().say(format_args!(
                "the folder {store} with the images stays: it was not made by wharf"
            ));
        } else if !site.engine.has_volume(store)? {
            site.strike(&made)?;
        } else if site.config.removal.data {
            site.engine.act(["volume", "rm", store])?;
            site.strike(&made)?;
        } else {
            site.hand().say(format_args!(
                "the volume {store} with the images stays: `wharf down --data` removes it"
            ));
        }
    }
    Ok(())
}
