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
use crate::store::error::StoreError;
use crate::store::keyed_lock::KeyedLock;

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
#[derive(Debug)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<UploadId, Arc<Session>>>,
    /// Held while a session is found on disk, and while it is removed from there.
    locks: KeyedLock<UploadId>,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) name: RepositoryName,
    pub(crate) id: UploadId,
    /// Bytes that are in the file.
    pub(crate) offset: AtomicU64,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
enum State {
    /// Any request may claim it.
    Idle(Box<Progress>),
    /// A request has it.
    Claimed,
    /// Committed, cancelled or given up: there is nothing left to claim.
    Ended,
}

/// The right to continue a session. Dropped, it gives the session back.
#[derive(Debug)]
pub(crate) struct Claim {
    session: Arc<Session>,
    progress: Option<Progress>,
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
        let claim = session.claim().await?;
        self.admit(&session, claim.length(), &incoming).await?;
        let mut progress = claim.take();
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
        session.claim().await?.take();
        self.blocking("cancel an upload", move |floor| floor.end(&session)).await
    }

    /// The session, from the table or as an earlier process left it on disk.
    async fn session(&self, name: &RepositoryName, id: &UploadId) -> Result<Arc<Session>, Error> {
        let unknown = || Error::UploadUnknown { name: name.clone(), id: *id };
        if let Some(session) = self.floor().sessions.get(id) {
            return if session.name == *name { Ok(session) } else { Err(unknown()) };
        }
        let (wanted, found) = (name.clone(), *id);
        self.blocking("find an upload", move |floor| {
            let _held = floor.sessions.locks.lock(found);
            if let Some(session) = floor.sessions.get(&found) {
                return Ok(Some(session));
            }
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
    async fn admit(&self, session: &Session, held: u64, incoming: &Incoming) -> Result<(), Error> {
        if let Some(range) = incoming.range {
            if range.first != held {
                return Err(session.out_of_order(held));
            }
            let announced = range.last - range.first + 1;
            if let Some(received) = incoming.length.filter(|length| *length != announced) {
                return Err(Error::SizeMismatch { announced, received });
            }
        }
        let length = incoming.length.unwrap_or(0);
        if let Some(limit) = self.floor().config.blob_bytes_max
            && held.saturating_add(length) > limit
        {
            return Err(Error::BlobTooLarge { limit });
        }
        if length >= ROOM_ASKED_FROM {
            self.crossing(move |floor| floor.require_room(length)).await?;
        }
        Ok(())
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self { open: Mutex::default(), locks: KeyedLock::new() }
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

    /// Puts a session into the table.
    fn insert(&self, name: RepositoryName, id: UploadId, progress: Progress) -> Arc<Session> {
        let session = Arc::new(Session {
            name,
            id,
            offset: AtomicU64::new(progress.length),
            state: Mutex::new(State::Idle(Box::new(progress))),
            changed: Notify::new(),
        });
        self.lock().insert(id, Arc::clone(&session));
        session
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Claims the session, waiting a little for a request that is on its way out.
    async fn claim(self: &Arc<Self>) -> Result<Claim, Error> {
        let claimed = tokio::time::timeout(CLAIM_WAIT, async {
            loop {
                let changed = self.changed.notified();
                match self.try_claim() {
                    Some(claim) => return Ok(claim),
                    None if self.has_ended() => return Err(self.unknown()),
                    None => changed.await,
                }
            }
        });
        claimed.await.unwrap_or_else(|_| {
            let offset = self.offset.load(Ordering::Acquire);
            Err(Error::UploadBusy { name: self.name.clone(), id: self.id, offset })
        })
    }

    /// Claims the session unless a request has it, or it has ended.
    fn try_claim(self: &Arc<Self>) -> Option<Claim> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Claimed) {
            State::Idle(progress) => {
                Some(Claim { session: Arc::clone(self), progress: Some(*progress) })
            }
            other => {
                *state = other;
                None
            }
        }
    }

    /// Puts the state back for the next request.
    pub(crate) fn give_back(&self, progress: Progress) {
        self.offset.store(progress.length, Ordering::Release);
        *self.lock() = State::Idle(Box::new(progress));
        self.changed.notify_one();
    }

    pub(crate) fn unknown(&self) -> Error {
        Error::UploadUnknown { name: self.name.clone(), id: self.id }
    }

    fn out_of_order(&self, offset: u64) -> Error {
        Error::UploadOutOfOrder { name: self.name.clone(), id: self.id, offset }
    }

    fn has_ended(&self) -> bool {
        matches!(*self.lock(), State::Ended)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    fn length(&self) -> u64 {
        self.progress.as_ref().map_or(0, |progress| progress.length)
    }

    /// Takes the state over: from here on the caller gives it back, or ends the session.
    fn take(mut self) -> Progress {
        // Nothing else takes it, and this takes the claim itself.
        self.progress.take().unwrap_or(Progress { length: 0, hashes: None })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(progress) = self.progress.take() {
            self.session.give_back(progress);
        }
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
    /// Removes a claimed session from the disk, and then from the table: in this order nobody finds
    /// a half of it.
    pub(crate) fn end(&self, session: &Session) -> Result<(), StoreError> {
        let _held = self.sessions.locks.lock(session.id);
        let removed = self.store.remove_upload(&session.name, &session.id);
        self.sessions.lock().remove(&session.id);
        *session.lock() = State::Ended;
        session.changed.notify_waiters();
        removed
    }

    /// Ends a session whose client will hear of something else.
    pub(crate) fn abandon(&self, session: &Session) {
        if let Err(error) = self.end(session) {
            tracing::warn!("cannot remove upload session {}: {error}", session.id);
        }
    }

    /// Removes a session that was found on disk, unless a request is sending into it.
    pub(crate) fn remove_idle(
        &self,
        name: &RepositoryName,
        id: &UploadId,
    ) -> Result<bool, StoreError> {
        let Some(session) = self.sessions.get(id) else {
            let _held = self.sessions.locks.lock(*id);
            if self.sessions.get(id).is_some() {
                return Ok(false);
            }
            return self.store.remove_upload(name, id).map(|()| true);
        };
        let Some(claim) = session.try_claim() else { return Ok(false) };
        claim.take();
        self.end(&session).map(|()| true)
    }
}
