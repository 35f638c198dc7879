//! Upload sessions: started, found again after a restart, claimed by one request at a time.
//!
//! A session is *idle* (its state lies in the table, or only on disk), *receiving* (a request has
//! taken the state out; see `receive`), and then committed or cancelled. No lock is held while a
//! client's bytes are awaited: the request owns the state meanwhile.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use wharf_oci::{Algorithm, ContentRange, Digest, Hasher, RepositoryName, UploadId};

use crate::error::Error;
use crate::receive::Receiving;
use crate::registry::{Floor, Registry};

/// How long a request waits for an earlier one on the same session, whose client has usually gone.
const CLAIM_WAIT: Duration = Duration::from_secs(5);

/// Announced lengths from here on are compared with the free space before a byte is taken.
const ROOM_ASKED_FROM: u64 = 64 << 10;

/// What a request says about the bytes it brings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Incoming {
    /// Where they belong, if it says so (`Content-Range`).
    pub range: Option<ContentRange>,
    /// How many they are, if it says so (`Content-Length`).
    pub length: Option<u64>,
    /// The digest of the whole blob, if this request will close the session.
    pub digest: Option<Digest>,
}

/// The sessions that this process knows of.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<UploadId, Arc<Session>>>,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) name: RepositoryName,
    pub(crate) id: UploadId,
    /// Bytes that are in the file.
    pub(crate) offset: AtomicU64,
    idle: Mutex<Option<Progress>>,
    returned: Notify,
}

/// What a session has come to.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Bytes in the file.
    pub(crate) length: u64,
    /// The state of the hashes over those bytes; `None` when the file must be read again, as after
    /// a restart.
    pub(crate) hashes: Option<Hashes>,
}

/// The hashes that run over a session's bytes.
#[derive(Debug)]
pub(crate) struct Hashes {
    /// The address under which bytes are kept.
    pub(crate) sha256: Hasher,
    /// Only when the client said early that it will ask for it.
    pub(crate) sha512: Option<Hasher>,
}

impl Hashes {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let sha512 = (algorithm == Algorithm::Sha512).then(|| Hasher::new(Algorithm::Sha512));
        Self { sha256: Hasher::new(Algorithm::Sha256), sha512 }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
    }
}

impl Registry {
    /// Starts an upload session (distribution spec, end-4a). `algorithm` is the one the client will
    /// close it with, if it says so.
    ///
    /// # Errors
    /// [`Error::UploadsTooMany`], [`Error::ReadOnly`], [`Error::StorageFull`].
    pub async fn start_upload(
        &self,
        name: &RepositoryName,
        algorithm: Option<Algorithm>,
    ) -> Result<UploadId, Error> {
        self.require_writable()?;
        let limit = self.floor().config.uploads.count_max;
        if self.floor().sessions.count() >= limit {
            return Err(Error::UploadsTooMany { limit });
        }
        let id = UploadId::from_random(random());
        let (name, started) = (name.clone(), id);
        self.blocking("start an upload", move |floor| {
            let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
            floor.store.create_upload(&name, &started, &now)?;
            let hashes = Some(Hashes::new(algorithm.unwrap_or(Algorithm::Sha256)));
            floor.sessions.insert(name, started, Progress { length: 0, hashes });
            Ok(())
        })
        .await?;
        Ok(id)
    }

    /// The bytes that a session holds (distribution spec, end-13).
    ///
    /// # Errors
    /// [`Error::UploadUnknown`].
    pub async fn upload_offset(&self, name: &RepositoryName, id: &UploadId) -> Result<u64, Error> {
        Ok(self.session(name, id).await?.offset.load(Ordering::Acquire))
    }

    /// Claims a session for the bytes of one request (distribution spec, end-5 and end-6).
    ///
    /// # Errors
    /// [`Error::UploadUnknown`]; [`Error::UploadOutOfOrder`] when the bytes do not begin where the
    /// session ends, [`Error::SizeMismatch`] when range and length disagree,
    /// [`Error::BlobTooLarge`] and [`Error::StorageFull`] by what is announced,
    /// [`Error::UploadBusy`] when another request will not let go. The session stays as it was.
    pub async fn receive(
        &self,
        name: &RepositoryName,
        id: &UploadId,
        incoming: Incoming,
    ) -> Result<Receiving, Error> {
        self.require_writable()?;
        let session = self.session(name, id).await?;
        let mut progress = session.claim().await?;
        if let Err(error) = self.admit(&session, &progress, &incoming).await {
            session.give_back(progress);
            return Err(error);
        }
        if let (0, Some(digest)) = (progress.length, incoming.digest) {
            progress.hashes = Some(Hashes::new(digest.algorithm()));
        }
        Ok(Receiving::new(self.clone(), session, progress))
    }

    /// Gives a session up and removes its bytes (distribution spec, end-14).
    ///
    /// # Errors
    /// [`Error::UploadUnknown`]; [`Error::UploadBusy`] when a request is sending into it.
    pub async fn cancel_upload(&self, name: &RepositoryName, id: &UploadId) -> Result<(), Error> {
        self.require_writable()?;
        let session = self.session(name, id).await?;
        session.claim().await?;
        self.floor().sessions.remove(id);
        let (name, id) = (name.clone(), *id);
        self.blocking("cancel an upload", move |floor| floor.store.remove_upload(&name, &id)).await
    }

    /// The session, from the table or as an earlier process left it on disk.
    async fn session(&self, name: &RepositoryName, id: &UploadId) -> Result<Arc<Session>, Error> {
        let unknown = || Error::UploadUnknown { name: name.clone(), id: *id };
        if let Some(session) = self.floor().sessions.get(id) {
            return if session.name == *name { Ok(session) } else { Err(unknown()) };
        }
        let (wanted, found) = (name.clone(), *id);
        self.blocking("find an upload", move |floor| {
            let length = floor.store.upload_length(&wanted, &found)?;
            Ok(length.map(|length| {
                let hashes = (length == 0).then(|| Hashes::new(Algorithm::Sha256));
                floor.sessions.insert(wanted, found, Progress { length, hashes })
            }))
        })
        .await?
        .ok_or_else(unknown)
    }

    /// Whether the session can take what the request announces.
    async fn admit(
        &self,
        session: &Session,
        progress: &Progress,
        incoming: &Incoming,
    ) -> Result<(), Error> {
        if let Some(range) = incoming.range {
            if range.first != progress.length {
                return Err(session.out_of_order(progress.length));
            }
            let announced = range.last - range.first + 1;
            if let Some(received) = incoming.length.filter(|length| *length != announced) {
                return Err(Error::SizeMismatch { announced, received });
            }
        }
        let length = incoming.length.unwrap_or(0);
        if let Some(limit) = self.floor().config.blob_bytes_max
            && progress.length.saturating_add(length) > limit
        {
            return Err(Error::BlobTooLarge { limit });
        }
        if length >= ROOM_ASKED_FROM {
            self.crossing(move |floor| floor.require_room(length)).await?;
        }
        Ok(())
    }
}

impl Sessions {
    /// Sessions that are open in this process.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn get(&self, id: &UploadId) -> Option<Arc<Session>> {
        self.lock().get(id).cloned()
    }

    pub(crate) fn remove(&self, id: &UploadId) {
        self.lock().remove(id);
    }

    /// Puts a session into the table; if another request found it on disk first, that one stays.
    fn insert(&self, name: RepositoryName, id: UploadId, progress: Progress) -> Arc<Session> {
        let session = || {
            Arc::new(Session {
                name,
                id,
                offset: AtomicU64::new(progress.length),
                idle: Mutex::new(Some(progress)),
                returned: Notify::new(),
            })
        };
        Arc::clone(self.lock().entry(id).or_insert_with(session))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Takes the state out, waiting a little for a request that is on its way out.
    async fn claim(&self) -> Result<Progress, Error> {
        let claimed = tokio::time::timeout(CLAIM_WAIT, async {
            loop {
                let returned = self.returned.notified();
                if let Some(progress) = self.try_claim() {
                    return progress;
                }
                returned.await;
            }
        });
        claimed.await.map_err(|_| Error::UploadBusy {
            name: self.name.clone(),
            id: self.id,
            offset: self.offset.load(Ordering::Acquire),
        })
    }

    /// Takes the state out unless a request has it.
    pub(crate) fn try_claim(&self) -> Option<Progress> {
        self.lock_idle().take()
    }

    /// Puts the state back for the next request.
    pub(crate) fn give_back(&self, progress: Progress) {
        self.offset.store(progress.length, Ordering::Release);
        *self.lock_idle() = Some(progress);
        self.returned.notify_one();
    }

    pub(crate) fn out_of_order(&self, offset: u64) -> Error {
        Error::UploadOutOfOrder { name: self.name.clone(), id: self.id, offset }
    }

    fn lock_idle(&self) -> MutexGuard<'_, Option<Progress>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sixteen bytes that nobody can guess.
fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    #[expect(clippy::expect_used, reason = "a system without randomness cannot serve safely")]
    getrandom::fill(&mut bytes).expect("the system gives random bytes once it has started");
    bytes
}

impl Floor {
    /// Removes the session from the table and the disk; the bytes are no longer wanted.
    pub(crate) fn abandon(&self, session: &Session) {
        self.sessions.remove(&session.id);
        if let Err(error) = self.store.remove_upload(&session.name, &session.id) {
            tracing::warn!("cannot remove upload session {}: {error}", session.id);
        }
    }
}
