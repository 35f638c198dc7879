//! Who pulls: this program as a node's containerd does it, or a node's own containerd, asked as a kubelet
//! asks it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use futures_util::stream;
use wharf_client::RegistryClient;
use wharf_oci::{Digest, Reference, RepositoryName, Tag};

use crate::bench::{BenchError, Site};
use crate::setup::engine::Engine;

/// Layers that a containerd fetches at once, by its own default.
const LAYERS_AT_ONCE: usize = 3;

/// Who pulls.
#[derive(Debug)]
pub enum Puller {
    /// This program; what it has of each registry it does not fetch again.
    Here(HashMap<String, HashSet<Digest>>),
    /// A node's containerd.
    Node(Node),
}

/// A node, by its container.
#[derive(Debug)]
pub struct Node {
    engine: Engine,
    name: String,
    time_max: Duration,
    pulled: Vec<String>,
}

impl Node {
    /// The node of this name, which has `time_max` for each thing that it is asked for.
    pub fn new(engine: Engine, name: String, time_max: Duration) -> Self {
        Self { engine, name, time_max, pulled: Vec::new() }
    }

    /// Has it pull an image, which has this digest. The images that the tag meant before stay on a node,
    /// without a tag, so each is remembered by its digest.
    ///
    /// # Errors
    /// It does not run, cannot pull, or takes too long.
    pub fn pull(&mut self, site: &Site, tag: &Tag, digest: &Digest) -> Result<(), BenchError> {
        let repository = format!("{}/{}", site.client().authority(), site.guest().name());
        self.crictl("pull", &format!("{repository}:{tag}"))?;
        self.pulled.push(format!("{repository}@{digest}"));
        Ok(())
    }

    /// Ended inside the node: a program there goes on when the engine's own command is ended.
    fn crictl(&self, verb: &str, image: &str) -> Result<(), BenchError> {
        let seconds = self.time_max.as_secs_f64().to_string();
        let began = Instant::now();
        let done = self.engine.exec(&self.name, &["timeout", &seconds, "crictl", verb, image], &[]);
        done.map_err(|source| match began.elapsed() >= self.time_max {
            true => BenchError::Late { server: self.name.clone(), time_max: self.time_max },
            false => BenchError::Node { node: self.name.clone(), source },
        })
    }

    /// Removes from the node what was pulled; gives what stays there.
    pub fn leave(&mut self) -> Vec<String> {
        let pulled = std::mem::take(&mut self.pulled);
        pulled.into_iter().filter(|image| self.crictl("rmi", image).is_err()).collect()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Pulls as a containerd does: asks what the tag means, fetches that manifest by its digest, and then what
/// it does not have, a few at once; every byte is checked against its digest, and then thrown away. Gives
/// the digest that the tag has; `None` when there is no such tag.
///
/// # Errors
/// The registry does not have it whole, or gives something else than was asked for.
pub async fn fetch(
    client: &RegistryClient,
    name: &RepositoryName,
    tag: &Tag,
    had: &mut HashSet<Digest>,
) -> Result<Option<Digest>, wharf_client::Error> {
    let Some(found) = client.head_manifest(name, &Reference::Tag(tag.clone())).await? else {
        return Ok(None);
    };
    let pulled = client.manifest(name, &Reference::Digest(found.digest)).await?;
    let wanted = pulled.manifest.config().into_iter().chain(pulled.manifest.layers());
    let missing: Vec<_> =
        wanted.map(|blob| blob.digest).filter(|digest| !had.contains(digest)).collect();
    stream::iter(missing.iter().map(Ok))
        .try_for_each_concurrent(LAYERS_AT_ONCE, |digest| async move {
            let mut download = client.blob(name, digest).await?;
            while download.chunk().await?.is_some() {}
            Ok(())
        })
        .await?;
    had.extend(missing);
    Ok(Some(found.digest))
}
