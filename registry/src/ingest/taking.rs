//! One blob on its way out of the mounted store and into the registry: through an upload session
//! like any other, which is gone when this ends, however it ends.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use wharf_oci::ingest::IngestEvent;
use wharf_oci::{Descriptor, Digest, RepositoryName, UploadId};

use super::error::IngestError;
use super::told::Told;
use crate::registry::Registry;
use crate::upload::Incoming;

/// How often progress of one blob is told at most.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(50);

impl Registry {
    /// Stores what `open` gives as the blob that `blob` describes. It is opened and read on a blocking
    /// thread, straight into the buffers of the push path.
    pub(super) async fn take<R: Read>(
        &self,
        name: &RepositoryName,
        blob: &Descriptor,
        told: &Told,
        open: impl FnOnce() -> Result<R, IngestError> + Send + 'static,
    ) -> Result<(), IngestError> {
        let (digest, size) = (blob.digest, blob.size);
        let session = Session::start(self.clone(), name.clone(), digest).await?;
        let incoming = Incoming { range: None, length: Some(size), digest: Some(digest) };
        let mut receiving = self.receive(name, &session.id, incoming).await?;
        let heard = told.clone();
        // The session is held there too: when this is dropped, it goes once nobody fills it any more.
        let filling = tokio::task::spawn_blocking(move || {
            // A byte too many shows the damage; a record of the archive can unpack to any length.
            let limited = open()?.take(size.saturating_add(1));
            let mut reader = Metered::new(limited, digest, heard);
            let filled = receiving.fill(&mut reader);
            reader.is_heard()?;
            filled.map_err(|error| IngestError::filling(digest, error))?;
            Ok::<_, IngestError>((receiving, session))
        });
        let (receiving, session) = match filling.await {
            Ok(filled) => filled?,
            // The work is never aborted, so it panicked: so does the request that asked for it.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        let committed = receiving.commit(&digest).await;
        committed.map_err(|error| IngestError::committing(digest, error))?;
        session.ended();
        told.tell(IngestEvent::Stored { digest }).await;
        Ok(())
    }
}

/// An upload session that nobody else knows of. Dropped before its end, it is given up.
struct Session {
    registry: Registry,
    name: RepositoryName,
    id: UploadId,
    is_open: bool,
}

impl Session {
    /// Begins one. It is made beside: dropped in the middle, this would leave one that nobody knows.
    async fn start(
        registry: Registry,
        name: RepositoryName,
        digest: Digest,
    ) -> Result<Self, IngestError> {
        let starting = tokio::spawn(async move {
            let id = registry.start_upload(&name, Some(digest.algorithm())).await?;
            Ok(Self { registry, name, id, is_open: true })
        });
        match starting.await {
            Ok(started) => started,
            // The work is never aborted, so it panicked: so does the request that asked for it.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    fn ended(mut self) {
        self.is_open = false;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let (registry, name, id) = (self.registry.clone(), self.name.clone(), self.id);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // It may be gone already, which is as good.
            runtime.spawn(async move { _ = registry.cancel_upload(&name, &id).await });
        }
    }
}

/// A reader that tells how far it is, and ends when nobody listens.
struct Metered<R> {
    inner: R,
    digest: Digest,
    told: Told,
    taken: u64,
    told_at: Instant,
}

impl<R> Metered<R> {
    fn new(inner: R, digest: Digest, told: Told) -> Self {
        Self { inner, digest, told, taken: 0, told_at: Instant::now() }
    }

    fn is_heard(&self) -> Result<(), IngestError> {
        if self.told.is_heard() { Ok(()) } else { Err(IngestError::Unheard) }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.told.is_heard() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let read = self.inner.read(buffer)?;
        self.taken += read as u64;
        let now = Instant::now();
        if now.duration_since(self.told_at) >= PROGRESS_INTERVAL {
            self.told_at = now;
            self.told.mention(IngestEvent::Taken { digest: self.digest, bytes: self.taken });
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use futures_util::FutureExt as _;
    use wharf_oci::Algorithm;

    #[tokio::test]
    async fn a_session_whose_beginning_is_dropped_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let registry = Registry::open(&Config::new(root.path())).unwrap();
        let begin = |name: &str| {
            let digest = Digest::empty(Algorithm::Sha256);
            Session::start(registry.clone(), name.parse().unwrap(), digest)
        };
        assert!(begin("app").now_or_never().is_none(), "it was begun at once");
        let uploads = root.path().join("docker/registry/v2/repositories/app/_uploads");
        let patience = Instant::now() + Duration::from_secs(10);
        loop {
            // Made by the session, and left behind empty.
            let left = std::fs::read_dir(&uploads).ok().map(Iterator::count);
            if left == Some(0) && registry.statistics().uploads_open == 0 {
                break;
            }
            assert!(Instant::now() < patience, "left: {left:?}");
            // A dropped session cleans up on its own, and has nobody left whom it could tell.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn what_is_longer_than_it_should_be_is_damaged_and_has_an_end() {
        let root = tempfile::tempdir().unwrap();
        let registry = Registry::open(&Config::new(root.path())).unwrap();
        let json = serde_json::json!({
            "mediaType": "x", "digest": Digest::empty(Algorithm::Sha256), "size": 100_000,
        });
        let blob: Descriptor = serde_json::from_value(json).unwrap();
        let (told, _events) = Told::new();
        let endless = || Ok(io::repeat(1));
        let taken = registry.take(&"app".parse().unwrap(), &blob, &told, endless).await;
        assert!(matches!(taken, Err(IngestError::Damaged { .. })), "{taken:?}");
    }
}
