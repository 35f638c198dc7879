//! The proof that all of it works: a tiny image is pushed to the registry's port on the host, pulled on
//! every running node as a kubelet pulls, by both names, and taken away again everywhere.

mod probe;

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use serde::Serialize;
use thiserror::Error;

use super::node::{self, count};
use super::receipt::Made;
use super::{SetupError, Site};
use probe::Probe;

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Every pull: each node by each name.
    pub pulls: Vec<Pull>,
}

/// A pull on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pull {
    /// The node's name.
    pub node: String,
    /// The registry's name in the image's, as `kind-registry:5000`.
    pub registry: String,
    /// Why it failed, in the words of the pull; nothing where it worked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Proof {
    /// The same, as an error if a pull failed.
    ///
    /// # Errors
    /// The first pull that failed, and how many did.
    pub fn whole(self) -> Result<Self, SetupError> {
        let mut failed = self.pulls.iter().filter(|pull| pull.failure.is_some());
        let Some(first) = failed.next() else { return Ok(self) };
        let others = match failed.count() {
            0 => String::new(),
            count => format!(" ({count} more of {} pulls failed)", self.pulls.len()),
        };
        Err(SetupError::Broken {
            what: format!("{first}{others}"),
            hint: "`wharf doctor` looks for the reason".into(),
        })
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: BTreeSet<_> = self.pulls.iter().map(|pull| &pull.node).collect();
        let names: BTreeSet<_> = self.pulls.iter().map(|pull| pull.registry.as_str()).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(" and ");
        write!(f, "Proof: {} pulled a tiny image from {names}.", count(nodes.len()))
    }
}

impl fmt::Display for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, registry, failure } = self;
        match failure {
            None => write!(f, "{node} pulls from {registry}"),
            Some(words) => write!(f, "{node} cannot pull from {registry}: {words}"),
        }
    }
}

/// Why there is no proof, for or against: the probe is not in the registry.
#[derive(Debug, Error)]
pub enum ProofError {
    /// It cannot be pushed or taken away.
    #[error("cannot {verb} a probe {} the registry on 127.0.0.1:{port}", if *verb == "push" { "to" } else { "from" })]
    Registry {
        /// `push` or `remove`.
        verb: &'static str,
        /// The registry's port.
        port: u16,
        /// What went wrong.
        #[source]
        source: Box<wharf_client::Error>,
    },
    /// The asking did not begin.
    #[error("cannot start the runtime that talks to the registry")]
    Runtime(#[source] io::Error),
    /// There is no address of that form.
    #[error("cannot ask the registry on the port {0}")]
    Address(u16),
}

/// Pushes, pulls everywhere, and takes everything away again, also what a run left that was killed in the
/// middle of this.
///
/// # Errors
/// The probe cannot be pushed or removed, or an engine does not start programs in nodes. A pull that
/// fails is in the proof.
pub fn prove(site: &Site) -> Result<Proof, SetupError> {
    if site.hand().is_dry() {
        return Ok(Proof::default());
    }
    let probe = Probe::new(site)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ProofError::Runtime)?;
    let failed = |verb| {
        move |source| ProofError::Registry {
            verb,
            port: site.config.port,
            source: Box::new(source),
        }
    };
    runtime.block_on(probe.push()).map_err(failed("push"))?;
    let nodes = node::running(site);
    let pulls = nodes
        .map_err(SetupError::from)
        .and_then(|nodes| node::on_each(&nodes, |node| probe.pull_on(site, node)));
    // Whatever came of the pulls.
    runtime.block_on(probe.remove_all()).map_err(failed("remove"))?;
    site.hand().forget();
    Ok(Proof { pulls: pulls?.concat() })
}

/// Takes away what a run left on the nodes that was killed in the middle of a proof. What it left in the
/// registry goes with that, or with the next proof.
///
/// # Errors
/// An engine does not start programs in nodes.
pub fn undo(site: &Site) -> Result<(), SetupError> {
    if !site.receipt.has(&Made::Unproven) {
        return Ok(());
    }
    let nodes = node::running(site)?;
    node::on_each(&nodes, |node| probe::forget_left(site, node))?;
    Ok(())
}
