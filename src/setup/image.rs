//! Wharf's own image in the engine: the one of this very program, whose id is known without asking,
//! or, where this program cannot run in the engine, one built there from the sources in it.
//!
//! An image that was there before is never removed: it loses its name to ours at most.

use std::io;

use thiserror::Error;

use super::receipt::Made;
use super::{Finding, SetupError, Site, Step, engine};
use crate::image::{self, Architecture, Program, ProgramError};

/// Its image as a step.
#[derive(Debug)]
pub struct OwnImage;

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
    /// One that a person loaded, as far as can be told, and why there is none of ours.
    Given { architecture: String, why: OwnImageError },
}

/// The label with wharf's version.
const VERSION_LABEL: &str = "org.opencontainers.image.version";

impl Wanted {
    fn of(site: &Site) -> Result<Self, SetupError> {
        let architecture = site.engine.info()?.architecture;
        let why = match running() {
            Ok(program) if program.architecture.as_str() == architecture => {
                return Ok(Self::Packed(Box::new(image::Image::of(&program))));
            }
            Ok(Program { architecture: program, .. }) => {
                OwnImageError::Processor { program, engine: architecture.clone() }
            }
            Err(error) => error,
        };
        Ok(Self::Given { architecture, why })
    }

    fn is(&self, found: &engine::Image) -> bool {
        match self {
            // With Docker's containerd store an image's id is its manifest's digest.
            Self::Packed(image) => [image.config.descriptor.digest, image.digest()]
                .iter()
                .any(|digest| digest.hex() == found.id),
            Self::Given { architecture, .. } => {
                found.architecture == *architecture
                    && found.labels.get(VERSION_LABEL).map(String::as_str)
                        == Some(env!("CARGO_PKG_VERSION"))
            }
        }
    }
}

fn running() -> Result<Program, OwnImageError> {
    let path = std::env::current_exe().map_err(OwnImageError::Running)?;
    Ok(Program::read(&path)?)
}

impl Step for OwnImage {
    fn name(&self) -> &'static str {
        "image"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let name = site.config.image.to_string();
        let wanted = Wanted::of(site)?;
        let finding = match site.engine.image(&name)? {
            Some(found) if wanted.is(&found) => Finding::ok(name, "is of this wharf"),
            Some(_) => Finding::fault(name, "is of another wharf than this"),
            None => Finding::fault(name, "is missing"),
        };
        Ok(vec![match &wanted {
            _ if !finding.is_fault() => finding,
            Wanted::Packed(_) => finding.mended_by("load the image of this wharf"),
            Wanted::Given { why, .. } => finding.left_to_you(why.hint()),
        }])
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        let name = site.config.image.to_string();
        let wanted = Wanted::of(site)?;
        let found = site.engine.image(&name)?;
        if found.as_ref().is_some_and(|found| wanted.is(found)) {
            return Ok(());
        }
        let made = Made::Image { name };
        if let Some(found) = found
            && site.receipt.has(&made)
        {
            // It is ours, and is about to have no other name.
            site.note(Made::Image { name: found.id })?;
        }
        match wanted {
            Wanted::Packed(image) => {
                site.note(made)?;
                load(site, &image)?;
            }
            Wanted::Given { why, .. } => return Err(why.into()),
        }
        remove_all_but(site, &site.config.image.to_string())
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        if site.config.removal.image { remove_all_but(site, "") } else { Ok(()) }
    }
}

/// Hands the engine the image of this program.
fn load(site: &Site, image: &image::Image) -> Result<(), SetupError> {
    let name = &site.config.image;
    let shown = format!(" < <(wharf image --tag {name} --output -)");
    let program = site.engine.program(["load"]);
    let mut write = |out: &mut dyn io::Write| image::archive_into(image, name, out);
    Ok(site.hand().stream(&program, &shown, &mut write)?)
}

/// Removes the images that the setup made, but for one, and those that containers are made of.
fn remove_all_but(site: &Site, kept: &str) -> Result<(), SetupError> {
    for made in site.receipt.made() {
        let Made::Image { name } = &made else { continue };
        if name == kept {
            continue;
        }
        if let Some(image) = site.engine.image(name)? {
            if !site.engine.users_of(&image.id)?.is_empty() {
                continue;
            }
            site.engine.act(["image", "rm", name])?;
        }
        site.strike(&made)?;
    }
    Ok(())
}
