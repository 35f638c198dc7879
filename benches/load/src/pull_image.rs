//! How long does a node wait for an image? Each client pulls the whole of it by its reference, as
//! containerd does: the manifest, the configuration, then the layers, three at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use wharf_oci::{
    Algorithm, Descriptor, Digest, Endpoint, Manifest, ManifestKind, Reference, RepositoryName,
};

use crate::clients::{self, Budget};
use crate::download;
use crate::measurement::micros;
use crate::pull::{Pulled, blob_path};
use crate::{Connection, LoadError, Measurement, Operation, ServerProcess, Target};

/// Layers that a node pulls at once, as containerd does by default.
const LAYERS_AT_ONCE: usize = 3;
/// The longest manifest that is read, in bytes.
const MANIFEST_BYTES_MAX: usize = 8 << 20;

/// What an image consists of, for one platform.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The manifests in the order in which they are asked for: an index first, if there is one.
    manifests: Vec<(Reference, Digest)>,
    config: Option<Descriptor>,
    layers: Vec<Descriptor>,
    /// Bytes of all manifests.
    manifest_bytes: u64,
}

impl Contents {
    /// Asks what an image consists of. `os` and `architecture` choose from an index.
    ///
    /// # Errors
    /// When the registry does not have it, or not for this platform.
    pub fn find(
        target: &Target,
        name: &RepositoryName,
        reference: &Reference,
        (os, architecture): (&str, &str),
    ) -> Result<Self, LoadError> {
        let mut connection = Connection::open(target)?;
        let mut found =
            Self { manifests: Vec::new(), config: None, layers: Vec::new(), manifest_bytes: 0 };
        let mut next = reference.clone();
        loop {
            let (digest, manifest) = manifest(target, &mut connection, name, &next)?;
            found.manifest_bytes += manifest.bytes().len() as u64;
            found.manifests.push((next, digest));
            if manifest.kind() != ManifestKind::Index {
                found.config = manifest.config().cloned();
                found.layers = manifest.layers().to_vec();
                return Ok(found);
            }
            let is_meant = |child: &&Descriptor| {
                let platform = child.platform.as_ref();
                platform.is_some_and(|it| it.os == os && it.architecture == architecture)
            };
            let child = manifest.children().iter().find(is_meant);
            let missing = || LoadError::Platform { platform: format!("{os}/{architecture}") };
            // An index of indexes goes no further than this.
            let child = child.filter(|_| found.manifests.len() == 1).ok_or_else(missing)?;
            next = Reference::Digest(child.digest);
        }
    }

    /// The digest of the manifest that the reference names.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.manifests.first().map(|(_, digest)| *digest)
    }

    /// Bytes of one pull.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let blobs = self.config.iter().chain(&self.layers);
        self.manifest_bytes + blobs.map(|blob| blob.size).sum::<u64>()
    }
}

fn manifest(
    target: &Target,
    connection: &mut Connection,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<(Digest, Manifest), LoadError> {
    let path = manifest_path(name, reference);
    let mut bytes = Vec::new();
    let digest = match reference {
        Reference::Digest(digest) => Some(*digest),
        Reference::Tag(_) => None,
    };
    download::get(target, connection, &path, digest, |piece| {
        bytes.extend_from_slice(piece);
        Ok(bytes.len() <= MANIFEST_BYTES_MAX)
    })?;
    let digest = digest.unwrap_or_else(|| Digest::of(Algorithm::Sha256, &bytes));
    let manifest = Manifest::from_stored(Bytes::from(bytes)).map_err(|source| {
        LoadError::Manifest { request: format!("GET {path}"), source: Box::new(source) }
    })?;
    Ok((digest, manifest))
}

fn manifest_path(name: &RepositoryName, reference: &Reference) -> String {
    Endpoint::GetManifest { name: name.clone(), reference: reference.clone() }.to_uri()
}

/// Pulls of one image.
#[derive(Debug, Clone)]
pub struct PullImage {
    /// The registry.
    pub target: Target,
    /// The repository.
    pub name: RepositoryName,
    /// What the image consists of.
    pub contents: Contents,
    /// Clients at once, each a node.
    pub clients: usize,
    /// No pull starts after this time, but for the first of each client.
    pub time: Duration,
    /// Bytes in all; no pull starts that does not fit, but for the first of each client.
    pub bytes_max: u64,
    /// The most time this may take.
    pub time_max: Duration,
    /// Hash what comes.
    pub verify: bool,
}

impl PullImage {
    /// Pulls. The latencies are those of the whole image.
    ///
    /// # Errors
    /// When the registry does not give all of it in time.
    pub fn measure(
        &self,
        label: &str,
        server: Option<&ServerProcess>,
    ) -> Result<Measurement, LoadError> {
        let budget = Budget::new(self.bytes_max, self.time_max);
        let size = self.contents.bytes();
        let run = clients::run(
            self.clients,
            server,
            |_| Ok(()),
            |()| {
                let mut pulled = Pulled::default();
                while pulled.took.is_empty() || budget.allows(size, self.time) {
                    self.pull(&budget, &mut pulled)?;
                }
                Ok(pulled)
            },
        )?;
        let mut measured = Measurement::new(label, Operation::PullImage, self.clients, run.time);
        measured.take_pulls(run.results);
        measured.size = Some(size);
        Ok(measured.with_usage(run.usage))
    }

    /// One pull, from the first connection on.
    fn pull(&self, budget: &Budget, pulled: &mut Pulled) -> Result<(), LoadError> {
        let started = Instant::now();
        let mut connection = Connection::open(&self.target)?;
        for (reference, digest) in &self.contents.manifests {
            let path = manifest_path(&self.name, reference);
            pulled.bytes += self.get(&mut connection, &path, *digest, budget)?.bytes;
        }
        if let Some(config) = &self.contents.config {
            pulled.bytes += self.blob(&mut connection, config, budget)?.bytes;
        }
        let first_byte = Mutex::new(None);
        pulled.bytes += self.layers(connection, budget, || {
            let mut first_byte =
                first_byte.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            first_byte.get_or_insert_with(|| started.elapsed());
        })?;
        let first_byte = first_byte.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        pulled.first_byte.extend(first_byte.map(micros));
        pulled.took.push(micros(started.elapsed()));
        Ok(())
    }

    /// All layers, some at once, the first ones over the connection that is there; gives their bytes.
    fn layers(
        &self,
        connection: Connection,
        budget: &Budget,
        came: impl Fn() + Sync,
    ) -> Result<u64, LoadError> {
        let (layers, next) = (&self.contents.layers, AtomicUsize::new(0));
        let one = |connection: Option<Connection>| {
            let mut connection = match connection {
                Some(connection) => connection,
                None => Connection::open(&self.target)?,
            };
            let mut bytes = 0;
            while let Some(layer) = layers.get(next.fetch_add(1, Ordering::Relaxed)) {
                let path = blob_path(&self.name, layer.digest);
                let digest = self.verify.then_some(layer.digest);
                let got = download::get(&self.target, &mut connection, &path, digest, |piece| {
                    came();
                    budget.use_up(piece.len() as u64).map(|()| true)
                })?;
                bytes += got.bytes;
            }
            Ok(bytes)
        };
        let one = &one;
        thread::scope(|scope| {
            let more = LAYERS_AT_ONCE.min(layers.len()).saturating_sub(1);
            let threads: Vec<_> = (0..more).map(|_| scope.spawn(move || one(None))).collect();
            let mut bytes = one(Some(connection));
            for thread in threads {
                let joined = thread.join().unwrap_or_else(|it| std::panic::resume_unwind(it));
                bytes = bytes.and_then(|bytes| Ok(bytes + joined?));
            }
            bytes
        })
    }

    fn blob(
        &self,
        connection: &mut Connection,
        blob: &Descriptor,
        budget: &Budget,
    ) -> Result<download::Downloaded, LoadError> {
        self.get(connection, &blob_path(&self.name, blob.digest), blob.digest, budget)
    }

    fn get(
        &self,
        connection: &mut Connection,
        path: &str,
        digest: Digest,
        budget: &Budget,
    ) -> Result<download::Downloaded, LoadError> {
        let digest = self.verify.then_some(digest);
        download::get(&self.target, connection, path, digest, |piece| {
            budget.use_up(piece.len() as u64).map(|()| true)
        })
    }
}
