//! Floor 1: the volume. Blobs, links, tags and upload sessions on disk, in registry:2's own layout.
//!
//! Every method blocks and belongs on a blocking thread. Each says what is durable when it returns
//! and what others may see meanwhile. The store knows no HTTP, no cache and no limits: it keeps
//! bytes and links, and promises that
//!
//! - bytes are visible only under a digest that was checked, and only once they are on disk;
//! - a link is there whole or not at all, and moves in one step;
//! - whatever a crash, a full disk or registry:2 itself left behind reads as absent, never as an
//!   error.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wharf_oci::{Digest, RepositoryName};

pub(crate) mod blob;
mod boot;
pub(crate) mod content;
mod durability;
pub(crate) mod error;
pub(crate) mod keyed_lock;
mod layout;
mod link;
#[cfg_attr(not(target_os = "linux"), path = "store/no_mapping.rs")]
mod mapping;
mod mappings;
mod mount;
pub(crate) mod readers;
mod regular;
pub(crate) mod repository;
pub(crate) mod revision;
mod spare;
mod staging;
pub(crate) mod tag;
pub(crate) mod upload;
pub(crate) mod usage;
pub(crate) mod volume_lock;
pub(crate) mod window;
mod writeout;

use self::durability::Durability;
use self::error::StoreError;
use self::keyed_lock::KeyedLock;
use self::layout::Layout;
use self::link::{InCommit, Links, StagedLink};
use self::mappings::{FileIdentity, Mappings};
use self::spare::SpareSessions;
use self::staging::Staging;
use self::volume_lock::{LockError, VolumeLock};

/// Checked files that are remembered.
const INTACT_MAX: usize = 1024;

/// One volume, open for writing by this process alone.
#[derive(Debug)]
pub(crate) struct Store {
    layout: Layout,
    links: Links,
    staging: Staging,
    spare_sessions: SpareSessions,
    durability: Durability,
    /// Blob files that are renamed into place but not durable yet.
    blobs_in_commit: InCommit,
    blob_locks: KeyedLock<Digest>,
    mappings: Mappings,
    /// Held while a blob is checked against its digest.
    checks: KeyedLock<Digest>,
    /// Files that were found to be what their digest names.
    intact: quick_cache::sync::Cache<Digest, FileIdentity>,
    /// Upload sessions last touched before this moment may have been torn by a power cut.
    power_lost_before: Option<SystemTime>,
    _lock: VolumeLock,
}

/// Why a volume cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The root folder cannot be made or written.
    #[error("cannot use {} as the registry's root", root.display())]
    Root {
        /// The root folder as it was given.
        root: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process writes this volume, or its lock cannot be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A folder of the volume is a mount of its own, and nothing can be renamed into it.
    #[error("cannot use {} as the registry's root: {} below it is a mount of its own", root.display(), folder.display())]
    Divided {
        /// The root folder as it was given.
        root: PathBuf,
        /// The folder below it.
        folder: PathBuf,
    },
    /// wharf's own folder on the volume cannot be prepared.
    #[error("cannot prepare the volume")]
    Prepare(#[source] StoreError),
}

impl Store {
    /// Takes the volume at `root`: makes the folders that every volume has, locks it (waiting up to
    /// ten seconds for another process to leave) and clears the staging folder.
    ///
    /// Nothing is scanned: the time does not depend on what the volume holds.
    pub(crate) fn open(root: &Path) -> Result<Self, OpenError> {
        let layout = Layout::new(root);
        let usable = |source| OpenError::Root { root: root.to_path_buf(), source };
        fs::create_dir_all(layout.own()).map_err(usable)?;
        fs::create_dir_all(layout.repositories()).map_err(usable)?;
        for folder in [layout.repositories(), layout.blobs()] {
            if !on_one_mount(&layout.own(), &folder).map_err(usable)? {
                return Err(OpenError::Divided { root: root.to_path_buf(), folder });
            }
        }
        let lock = VolumeLock::take(&layout.own().join("lock"))?;
        let staging = Staging::prepare(&layout.staging()).map_err(OpenError::Prepare)?;
        Ok(Self {
            links: Links::new(),
            staging,
            spare_sessions: SpareSessions::new(&layout.staging()),
            durability: Durability::new(layout.volume()),
            blobs_in_commit: InCommit::default(),
            blob_locks: KeyedLock::new(),
            mappings: Mappings::default(),
            checks: KeyedLock::new(),
            intact: quick_cache::sync::Cache::new(INTACT_MAX),
            power_lost_before: boot::power_lost_before(&layout.own().join("boot")),
            layout,
            _lock: lock,
        })
    }

    /// Bytes that can still be written to the volume by an unprivileged process.
    pub(crate) fn free_bytes(&self) -> Result<u64, StoreError> {
        let root = self.layout.registry();
        let room = rustix::fs::statvfs(root)
            .map_err(|error| StoreError::io("ask for the free space of", root, error.into()))?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }

    /// Fails when the volume does not answer: a readiness probe.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let root = self.layout.registry();
        fs::metadata(root).map(drop).map_err(|error| StoreError::io("read", root, error))
    }

    /// Makes durable what an earlier process left behind, once. The first commit would do it.
    pub(crate) fn sync_inherited(&self) -> Result<(), StoreError> {
        self.durability.sync_inherited()
    }

    /// Makes everything written so far durable, sessions included.
    pub(crate) fn sync_everything(&self) -> Result<(), StoreError> {
        let root = self.layout.volume();
        File::open(root)
            .and_then(|root| durability::sync_file_system(&root))
            .map_err(|error| StoreError::io("sync", root, error))
    }

    /// Writes links that are visible, and durable, when this returns; all of them share the syncs.
    fn put_links(&self, links: &[(PathBuf, Digest)]) -> Result<(), StoreError> {
        let (mut written, mut touched) = Default::default();
        let staged = self.stage_links(links, &mut written)?;
        self.durability.sync(written)?;
        let placed = self.place_links(staged, &mut touched)?;
        crate::failpoint::reach("links.renamed");
        self.durability.sync(touched)?;
        crate::failpoint::reach("links.synced");
        self.reveal_links(&placed);
        Ok(())
    }

    /// The first half of putting links: files beside their places, to be synced.
    fn stage_links(
        &self,
        links: &[(PathBuf, Digest)],
        written: &mut BTreeSet<PathBuf>,
    ) -> Result<Vec<StagedLink>, StoreError> {
        let mut staged = Vec::new();
        for (path, digest) in links {
            staged.extend(self.links.stage(path, digest, &self.staging, written)?);
        }
        Ok(staged)
    }

    /// The second half: their places, whose folders are to be synced before they are revealed.
    fn place_links(
        &self,
        staged: Vec<StagedLink>,
        touched: &mut BTreeSet<PathBuf>,
    ) -> Result<Vec<PathBuf>, StoreError> {
        staged.into_iter().map(|link| self.links.place(link, &self.durability, touched)).collect()
    }

    fn reveal_links(&self, placed: &[PathBuf]) {
        for path in placed {
            self.links.reveal(path);
        }
    }

    /// Makes `blob` readable in `name`; durable when it returns.
    pub(crate) fn link_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        stored: &Digest,
    ) -> Result<(), StoreError> {
        self.put_links(&[(self.layout.layer_link(name, digest), *stored)])
    }

    /// Takes `digest` out of `name`; returns whether it was in it. The bytes stay for other
    /// repositories.
    pub(crate) fn unlink_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        self.remove_link(&self.layout.layer_link(name, digest))
    }

    /// Removes a link and its folder; returns whether it was there. Durable when this returns.
    fn remove_link(&self, path: &Path) -> Result<bool, StoreError> {
        let was_there = self.links.remove(path)?;
        if let Some(above) = path.parent().and_then(Path::parent).filter(|above| above.is_dir()) {
            self.durability.sync(BTreeSet::from([above.to_path_buf()]))?;
        }
        Ok(was_there)
    }
}

/// Whether files can be renamed from one folder to the other; a folder that is not there yet will be
/// made where it belongs.
fn on_one_mount(one: &Path, other: &Path) -> std::io::Result<bool> {
    Ok(!other.exists() || mount::mount_of(one)? == mount::mount_of(other)?)
}
