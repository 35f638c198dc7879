//! The setup: an ordered list of steps from nothing to a cluster whose pods pull from the registry.
//!
//! A [`Step`] is one matter. `check` looks and changes nothing; `apply` makes it right, whatever was
//! found; `undo` takes away what the receipt says that we made. `wharf up` applies, `wharf doctor`
//! checks (and knows further checks, see [`diagnosis`]), `wharf down` undoes, last step first. Each of
//! the three can be run again at any time, also after one that was killed half-way.

pub mod autostart;
pub mod config;
pub mod config_path;
pub mod diagnosis;
pub mod drop_in;
pub mod engine;
pub mod error;
pub mod examination;
pub mod finding;
pub mod hand;
pub mod hosting;
pub mod hosts;
pub mod image;
pub mod in_cluster;
pub mod ingest;
pub mod kind;
pub mod machine;
pub mod network;
pub mod node;
pub mod place;
pub mod preflight;
pub mod proof;
pub mod proxy;
pub mod receipt;
pub mod registry;
pub mod running;
pub mod secret;
pub mod site;
#[cfg(test)]
mod transcripts;
pub mod turn;
pub mod walk;

use std::fmt;

pub use config::Config;
pub use error::SetupError;
pub use finding::{Finding, Level};
pub use site::Site;

/// One matter of the setup.
pub trait Step: fmt::Debug {
    /// What it is about, as `doctor` lists it: lower case, words joined by hyphens.
    fn name(&self) -> &'static str;

    /// Looks, changes nothing. Everything that is as it should be may be told as one
    /// [`Level::Ok`]; each fault is a finding of its own.
    ///
    /// # Errors
    /// It cannot be looked at: the engine does not answer. What is merely missing or broken is a
    /// finding.
    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError>;

    /// Mends every fault that [`Self::check`] finds and that can be mended. Does nothing where there is none.
    ///
    /// # Errors
    /// It cannot be mended, or not without what the user has to decide.
    fn apply(&self, site: &Site) -> Result<(), SetupError>;

    /// Takes away what we made of it, by the receipt, and nothing else. What is gone already is no error.
    ///
    /// # Errors
    /// It cannot be taken away.
    fn undo(&self, _site: &Site) -> Result<(), SetupError> {
        Ok(())
    }
}

/// The steps of `wharf up`, in their order. Proof that it works (see `wharf up`) comes after them.
pub fn steps() -> Vec<Box<dyn Step>> {
    vec![
        Box::new(preflight::TheEngine),
        Box::new(network::TheNetwork),
        Box::new(image::OwnImage::of_this_program()),
        Box::new(secret::IngestSecret),
        Box::new(registry::TheRegistry),
        Box::new(autostart::Autostart),
        Box::new(drop_in::DropIn),
        Box::new(kind::TheCluster),
        Box::new(running::RunningNodes),
        Box::new(config_path::ConfigPath),
        Box::new(proxy::NoProxy),
        Box::new(in_cluster::InCluster),
        Box::new(hosts::Hosts),
        Box::new(hosting::Hosting),
    ]
}

/// The steps that this setup consists of: those of [`steps`], or with the registry inside a cluster.
pub fn steps_of(site: &Site) -> Vec<Box<dyn Step>> {
    match in_cluster::cluster(site) {
        Some(_) => in_cluster::steps(site),
        None => steps(),
    }
}
