//! Wharf's own image in the engine: the one of this very program, whose id is known without asking,
//! or, where this program cannot run in the engine, one built there from the sources in it.
//!
//! An image that was there before is never removed: it loses its name to ours at most.

use std::io;

use thiserror::Error;

use super::receipt::Made;
use super::{Finding, SetupError, Site, Step, engine};
use crate::image::{self, Architecture, Program, ProgramError, Sources};

/// Its image as a step.
#[derive(Debug)]
pub struct OwnImage {
    running: fn() -> Result<Program, OwnImageError>,
    sources: fn() -> Option<Sources>,
}

/// Why there is no image for the engine.
#[derive(Debug, Error)]
pub enum OwnImageError {
    /// The running program has no path.
    #[error("cannot find the file of the running program")]
    Running(#[source] io::Error),
    /// The running program cannot be in an image.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// It is for another processor than the engine's.
    #[error("this wharf is for {} and the engine's machine has {engine}", program.as_str())]
    Processor {
        /// What the running program is for.
        program: Architecture,
        /// What the engine has.
        engine: String,
    },
}

impl OwnImageError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Running(_) | Self::Program(_) => {
                "load a static Linux build of this version: `wharf image --program FILE --load`"
                    .into()
            }
            Self::Processor { engine, .. } => format!(
                "load a static Linux build for {engine} of this version: `wharf image --program \
                 FILE --load`"
            ),
        }
    }
}

/// What the image has to be.
#[derive(Debug)]
enum Wanted {
    /// That of the running program.
    Packed(Box<image::Image>),
    /// One built of the sources in the running program, which is for another system.
    Built { sources: Sources, architecture: String },
    /// One that a person loaded, as far as can be told, and why there is none of ours.
    Given { architecture: String, why: OwnImageError },
}

/// This wharf's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The label with wharf's version.
const VERSION_LABEL: &str = "org.opencontainers.image.version";
/// The label with the name of what is in it.
const TITLE_LABEL: &str = "org.opencontainers.image.title";
/// The label with the digest of the sources of which an image was built.
const SOURCES_LABEL: &str = "wharf.sources";

impl OwnImage {
    /// The image of the running program.
    pub fn of_this_program() -> Self {
        let running = || {
            let path = std::env::current_exe().map_err(OwnImageError::Running)?;
            Ok(Program::read(&path)?)
        };
        Self { running, sources: Sources::carried }
    }

    fn wanted(&self, site: &Site) -> Result<Wanted, SetupError> {
        let architecture = site.engine.info()?.architecture;
        let why = match (self.running)() {
            Ok(program) if program.architecture.as_str() == architecture => {
                return Ok(Wanted::Packed(Box::new(image::Image::of(&program))));
            }
            Ok(Program { architecture: program, .. }) => {
                OwnImageError::Processor { program, engine: architecture.clone() }
            }
            Err(error) => error,
        };
        Ok(match (self.sources)() {
            Some(sources) => Wanted::Built { sources, architecture },
            None => Wanted::Given { architecture, why },
        })
    }
}

impl Wanted {
    fn is(&self, found: &engine::Image) -> bool {
        let has = |label, value: &str| found.labels.get(label).is_some_and(|it| it == value);
        match self {
            // With Docker's containerd store an image's id is its manifest's digest.
            Self::Packed(image) => [image.config.descriptor.digest, image.digest()]
                .iter()
                .any(|digest| digest.hex() == found.id),
            Self::Built { sources, architecture } => {
                found.architecture == *architecture
                    && has(SOURCES_LABEL, &sources.digest().to_string())
            }
            Self::Given { architecture, .. } => {
                found.architecture == *architecture && has(VERSION_LABEL, VERSION)
            }
        }
    }

    fn bring(self, site: &Site) -> Result<(), SetupError> {
        match self {
            Self::Packed(image) => load(site, &image),
            Self::Built { sources, .. } => build(site, &sources),
            Self::Given { why, .. } => Err(why.into()),
        }
    }
}

impl Step for OwnImage {
    fn name(&self) -> &'static str {
        "image"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let name = site.config.image.to_string();
        let wanted = self.wanted(site)?;
        let finding = match site.engine.image(&name)? {
            Some(found) if wanted.is(&found) => Finding::ok(name, "is of this wharf"),
            Some(_) => Finding::fault(name, "is of another wharf than this"),
            None => Finding::fault(name, "is missing"),
        };
        let engine = site.engine.kind().program();
        Ok(vec![match &wanted {
            _ if !finding.is_fault() => finding,
            Wanted::Packed(_) => finding.mended_by("load the image of this wharf"),
            Wanted::Built { .. } => finding.mended_by(format!(
                "let {engine} build it of the sources in this wharf, which takes some minutes and \
                 downloads a Rust compiler"
            )),
            Wanted::Given { why, .. } => finding.left_to_you(why.hint()),
        }])
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        let name = site.config.image.to_string();
        let wanted = self.wanted(site)?;
        let found = site.engine.image(&name)?;
        if found.as_ref().is_some_and(|found| wanted.is(found)) {
            return Ok(());
        }
        let made = Made::Image { name };
        if let Some(found) = found
            && site.receipt.has(&made)
            && is_wharf(&found)
        {
            // It is ours, and is about to have no name.
            site.note(Made::Image { name: found.id })?;
        }
        site.note(made)?;
        wanted.bring(site)?;
        remove_all_but(site, &site.config.image.to_string())
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        if site.config.removal.image { remove_all_but(site, "") } else { Ok(()) }
    }
}

/// Whether an image is one of wharf's, of whichever version.
fn is_wharf(image: &engine::Image) -> bool {
    image.labels.get(TITLE_LABEL).is_some_and(|title| title == "wharf")
}

/// Hands the engine the image of this program.
fn load(site: &Site, image: &image::Image) -> Result<(), SetupError> {
    let name = &site.config.image;
    let shown = format!(" < <(wharf image --tag {name} --output -)");
    let program = site.engine.program(["load"]);
    let mut write = |out: &mut dyn io::Write| image::archive_into(image, name, out);
    Ok(site.hand().stream(&program, &shown, &mut write)?)
}

/// Has the engine build the image of sources, for its own processor. What is needed for the building
/// alone is removed: gigabytes, for a thing that is done once for each version.
fn build(site: &Site, sources: &Sources) -> Result<(), SetupError> {
    let engine = &site.engine;
    let name = site.config.image.to_string();
    let builder = image::builder().unwrap_or_default();
    let made = Made::Image { name: builder.to_owned() };
    if engine.image(builder)?.is_none() {
        site.note(made.clone())?;
    }
    let labels = [
        format!("--label={VERSION_LABEL}={VERSION}"),
        format!("--label={SOURCES_LABEL}={}", sources.digest()),
    ];
    let mut words = vec!["build"];
    // Podman would keep each stage as an image without a name.
    words.extend((engine.kind() == engine::Kind::Podman).then_some("--layers=false"));
    words.extend(labels.iter().map(String::as_str));
    words.extend(["--tag", &name, "-"]);
    let program = engine.program(words);
    let shown = " < <(wharf image --print-sources)";
    site.hand().show_fed_as(&program, shown, sources.archive())?;
    if site.receipt.has(&made) {
        if engine.image(builder)?.is_some() {
            engine.act(["image", "rm", builder])?;
        }
        site.strike(&made)?;
    }
    Ok(())
}

/// Whether a container is made of an image. In a dry run the registry, which would be gone, is still there.
fn is_used(site: &Site, image: &engine::Image) -> Result<bool, SetupError> {
    let mut users = site.engine.users_of(&image.id)?;
    users.retain(|name| !site.hand().is_dry() || *name != site.config.registry);
    Ok(!users.is_empty())
}

/// Removes the images that the setup made, but for one, and those that containers are made of.
fn remove_all_but(site: &Site, kept: &str) -> Result<(), SetupError> {
    for made in site.receipt.made() {
        let Made::Image { name } = &made else { continue };
        if name == kept {
            continue;
        }
        if let Some(image) = site.engine.image(name)? {
            // Somebody may have given the name to an image of their own since.
            if !is_wharf(&image) && image::builder() != Some(name.as_str()) {
                site.hand().say(format_args!("the image {name} stays: it is not wharf's"));
                site.strike(&made)?;
                continue;
            }
            if is_used(site, &image)? {
                continue;
            }
            // By its id it would go with every name that somebody gave it since.
            if *name != image.id || image.names.is_empty() {
                site.engine.act(["image", "rm", name])?;
            }
        }
        site.strike(&made)?;
    }
    Ok(())
}

#[cfg(test)]
pub mod tests;
