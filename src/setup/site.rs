//! Where the setup works: the engine, what is wanted, where files go, and what was made so far.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::config::Config;
use super::engine::{Engine, Kind};
use super::error::SetupError;
use super::hand::{Hand, Manner};
use super::node::Node;
use super::place::Places;
use super::receipt::{Made, Receipt};
use crate::process::{Runner, is_on_path};
use crate::report::Report;

/// Everything that a step works with.
#[derive(Debug)]
pub struct Site {
    /// What is wanted.
    pub config: Config,
    /// The engine.
    pub engine: Engine,
    /// Where files go.
    pub places: Places,
    /// What was made.
    pub receipt: Receipt,
    planned: Mutex<Vec<Node>>,
    given_up: Mutex<BTreeMap<String, String>>,
}

impl Site {
    /// This machine, with the engine that Kind is told to use or would choose, Podman first.
    ///
    /// # Errors
    /// There is no engine, no home folder, or the receipt cannot be read.
    pub fn of_this_machine(
        config: Config,
        runner: Arc<dyn Runner>,
        manner: Manner,
        report: Report,
    ) -> Result<Self, SetupError> {
        let places = Places::read().ok_or(SetupError::NoHome)?;
        let kind = kind_of_engine().ok_or(SetupError::NoEngine)?;
        let receipt = Receipt::read(places.receipt(&config.registry))?;
        let engine = Engine::new(kind, Hand::new(runner, manner, report));
        Ok(Self {
            config,
            engine,
            places,
            receipt,
            planned: Mutex::default(),
            given_up: Mutex::default(),
        })
    }

    /// What looks and changes.
    pub fn hand(&self) -> &Hand {
        self.engine.hand()
    }

    /// Has the steps that follow see nodes that a dry run only tells of.
    pub fn plan(&self, nodes: Vec<Node>) {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).extend(nodes);
    }

    /// Those nodes.
    pub fn planned(&self) -> Vec<Node> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Leaves a node alone from here on: it cannot be looked into, or changed, and the others can.
    pub fn give_up(&self, node: &str, why: String) {
        self.left_alone().insert(node.to_owned(), why);
    }

    /// The nodes that are left alone, each with the reason.
    pub fn given_up(&self) -> BTreeMap<String, String> {
        self.left_alone().clone()
    }

    /// Whether a node is left alone.
    pub fn is_given_up(&self, node: &str) -> bool {
        self.left_alone().contains_key(node)
    }

    /// Has every node be looked at again.
    pub fn begin_anew(&self) {
        self.left_alone().clear();
    }

    fn left_alone(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is about to be made.
    ///
    /// # Errors
    /// The receipt cannot be written.
    pub fn note(&self, made: Made) -> Result<(), SetupError> {
        Ok(self.receipt.note(self.hand(), made)?)
    }

    /// Strikes out what was taken away.
    ///
    /// # Errors
    /// The receipt cannot be written.
    pub fn strike(&self, made: &Made) -> Result<(), SetupError> {
        Ok(self.receipt.strike(self.hand(), made)?)
    }
}

/// The variable by which Kind is told its engine.
pub const PROVIDER: &str = "KIND_EXPERIMENTAL_PROVIDER";

/// The engine that `KIND_EXPERIMENTAL_PROVIDER` names, or the first one on the PATH, Podman first.
pub fn kind_of_engine() -> Option<Kind> {
    let path = std::env::var_os("PATH");
    let is_there = |kind: &Kind| is_on_path(OsStr::new(kind.program()), path.as_deref());
    let named = std::env::var(PROVIDER).unwrap_or_default();
    let engines = [Kind::Podman, Kind::Docker];
    match engines.iter().find(|kind| kind.program() == named) {
        Some(kind) => Some(*kind),
        None => engines.into_iter().find(is_there),
    }
}

#[cfg(test)]
pub mod tests {
    use std::ops::{Deref, DerefMut};

    use super::*;
    use crate::process::recorded::{Answer, Recorded};
    use crate::setup::config::{Cluster, Removal};

    /// A site whose folder goes with it.
    #[derive(Debug)]
    pub struct Ground {
        site: Site,
        _folder: tempfile::TempDir,
    }

    impl Deref for Ground {
        type Target = Site;

        fn deref(&self) -> &Site {
            &self.site
        }
    }

    impl DerefMut for Ground {
        fn deref_mut(&mut self) -> &mut Site {
            &mut self.site
        }
    }

    /// A site whose programs answer as they did once, with its files below a folder of its own.
    pub fn site<const N: usize>(transcript: [(&str, Answer); N]) -> (Ground, Arc<Recorded>) {
        let recorded = Arc::new(Recorded::transcript(transcript));
        (site_of(Kind::Podman, &recorded), recorded)
    }

    /// The same for an engine, with any runner.
    pub fn site_of(kind: Kind, recorded: &Arc<Recorded>) -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            registry: "kind-registry".into(),
            volume: "kind-registry-data".into(),
            network: "kind".into(),
            port: 5000,
            image: "localhost/wharf:1.0.0".parse().unwrap(),
            cluster: Cluster::Existing,
            ingest: true,
            drop_in: false,
            autostart: false,
            replace_registry: false,
            removal: Removal::default(),
        };
        let places = Places {
            config: folder.path().join("config"),
            state: folder.path().join("state"),
            is_root: false,
        };
        let receipt = Receipt::read(places.receipt(&config.registry)).unwrap();
        let hand = Hand::new(Arc::clone(recorded) as _, Manner::Quiet, Report::new(false));
        let engine = Engine::new(kind, hand);
        let (planned, given_up) = Default::default();
        let site = Site { config, engine, places, receipt, planned, given_up };
        Ground { site, _folder: folder }
    }
}
