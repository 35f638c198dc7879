//! One log line for each push and each pull, so that a person can see what the registry is doing.
//!
//! A push is told by its manifest, which comes last. A pull has no end that a server could see: it
//! is told once its client has been quiet for [`QUIET`]. What is kept meanwhile is bounded by
//! [`TRACKED_MAX`]; beyond it, pushes and pulls go untold, and are served all the same.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use wharf_oci::{Digest, Reference, RepositoryName};

use crate::ingest::{Ingest, Ingested};

/// How long a client takes nothing from a repository before its pull counts as ended.
const QUIET: Duration = Duration::from_secs(2);

/// How long a push without a manifest is remembered.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);

/// Pushes, and pulls, that are followed at once.
const TRACKED_MAX: usize = 1024;

/// Who does something where.
type Key = (IpAddr, RepositoryName);

/// The pushes and pulls that are under way.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    table: Mutex<Table>,
    /// Rung when there is something to follow.
    begun: Notify,
}

#[derive(Debug, Default)]
struct Table {
    pushes: HashMap<Key, Push>,
    pulls: HashMap<Key, Pull>,
}

/// What a client sent to a repository since its last manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Push {
    begun: Instant,
    last: Instant,
    bytes: u64,
    sent: u64,
    mounted: u64,
    reused: u64,
}

/// What a client took from a repository since it was last quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pull {
    begun: Instant,
    last: Instant,
    /// Blobs on their way now: a pull is not quiet while there are any.
    running: u64,
    bytes: u64,
    blobs: u64,
    manifests: u64,
}

/// One thing that a push consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushStep {
    /// An upload session was started.
    Started,
    /// A blob of this many bytes was stored.
    Sent(u64),
    /// A blob was taken from another repository.
    Mounted,
    /// The client asked for a blob, and it was there.
    Reused,
}

/// A blob on its way to a client; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Sending {
    activity: Arc<Activity>,
    key: Key,
    bytes: u64,
}

impl Activity {
    /// Notes a step of a push.
    pub(crate) fn pushing(&self, client: IpAddr, name: &RepositoryName, step: PushStep) {
        let now = Instant::now();
        let mut table = self.lock();
        let Some(push) = entry(&mut table.pushes, (client, name.clone()), || Push::new(now)) else {
            return;
        };
        push.last = now;
        match step {
            PushStep::Started => {}
            PushStep::Sent(bytes) => {
                push.bytes += bytes;
                push.sent += 1;
            }
            PushStep::Mounted => push.mounted += 1,
            PushStep::Reused => push.reused += 1,
        }
        drop(table);
        self.begun.notify_one();
    }

    /// Tells of a push: its manifest of `bytes` has been stored.
    pub(crate) fn pushed(
        &self,
        client: IpAddr,
        name: &RepositoryName,
        reference: &Reference,
        digest: &Digest,
        bytes: u64,
    ) {
        let now = Instant::now();
        let push = self.lock().pushes.remove(&(client, name.clone()));
        let mut push = push.unwrap_or_else(|| Push::new(now));
        push.bytes += bytes;
        let seconds = (now - push.begun).as_secs_f64();
        tracing::info!(
            %client,
            repository = %name,
            %reference,
            %digest,
            bytes = push.bytes,
            sent = push.sent,
            mounted = push.mounted,
            reused = push.reused,
            seconds = rounded(seconds),
            megabytes_per_second = rounded(speed(push.bytes, seconds)),
            "pushed"
        );
    }

    /// Notes that a manifest was read.
    pub(crate) fn manifest_read(&self, client: IpAddr, name: &RepositoryName, bytes: u64) {
        self.note_pull((client, name.clone()), |pull| {
            pull.manifests += 1;
            pull.bytes += bytes;
        });
    }

    /// Notes that a blob was sent whole, from memory.
    pub(crate) fn blob_read(&self, client: IpAddr, name: &RepositoryName, bytes: u64) {
        self.note_pull((client, name.clone()), |pull| {
            pull.blobs += 1;
            pull.bytes += bytes;
        });
    }

    /// Notes that a blob begins to be sent.
    pub(crate) fn sending(self: &Arc<Self>, client: IpAddr, name: &RepositoryName) -> Sending {
        let key = (client, name.clone());
        self.note_pull(key.clone(), |pull| {
            pull.blobs += 1;
            pull.running += 1;
        });
        Sending { activity: Arc::clone(self), key, bytes: 0 }
    }

    /// Tells of each pull once it is quiet; runs for as long as it is polled, and sleeps while there
    /// is nothing to follow.
    pub(crate) async fn report(&self) {
        loop {
            self.begun.notified().await;
            while self.tell_quiet(Instant::now()) > 0 {
                // Quiet is the absence of requests, which only time can show.
                tokio::time::sleep(QUIET / 4).await;
            }
        }
    }

    /// Tells of the pulls that are quiet and forgets old pushes; gives how many are left.
    fn tell_quiet(&self, now: Instant) -> usize {
        let mut quiet = Vec::new();
        let mut table = self.lock();
        table.pulls.retain(|key, pull| {
            let ended = pull.running == 0 && now.saturating_duration_since(pull.last) >= QUIET;
            if ended {
                quiet.push((key.clone(), *pull));
            }
            !ended
        });
        table.pushes.retain(|_, push| now.saturating_duration_since(push.last) < FORGOTTEN);
        let left = table.pulls.len() + table.pushes.len();
        drop(table);
        for ((client, name), pull) in quiet {
            let seconds = (pull.last - pull.begun).as_secs_f64();
            tracing::info!(
                %client,
                repository = %name,
                blobs = pull.blobs,
                manifests = pull.manifests,
                bytes = pull.bytes,
                seconds = rounded(seconds),
                megabytes_per_second = rounded(speed(pull.bytes, seconds)),
                "pulled"
            );
        }
        left
    }

    fn note_pull(&self, key: Key, note: impl FnOnce(&mut Pull)) {
        let now = Instant::now();
        let mut table = self.lock();
        let is_first = table.pulls.is_empty();
        if let Some(pull) = entry(&mut table.pulls, key, || Pull::new(now)) {
            pull.last = now;
            note(pull);
        }
        drop(table);
        if is_first {
            self.begun.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change of the table is whole before anything can panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry of `key`, made if there is room for it.
fn entry<V>(table: &mut HashMap<Key, V>, key: Key, new: impl FnOnce() -> V) -> Option<&mut V> {
    if table.len() >= TRACKED_MAX {
        return table.get_mut(&key);
    }
    Some(table.entry(key).or_insert_with(new))
}

impl Push {
    fn new(now: Instant) -> Self {
        Self { begun: now, last: now, bytes: 0, sent: 0, mounted: 0, reused: 0 }
    }
}

impl Pull {
    fn new(now: Instant) -> Self {
        Self { begun: now, last: now, running: 0, bytes: 0, blobs: 0, manifests: 0 }
    }
}

impl Sending {
    /// Counts bytes that are on their way.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut table = self.activity.lock();
        if let Some(pull) = table.pulls.get_mut(&self.key) {
            // One that was begun beyond the table's limit was never counted.
            pull.running = pull.running.saturating_sub(1);
            pull.bytes += self.bytes;
            pull.last = Instant::now();
        }
    }
}

/// Tells of an image that was taken in without a push.
pub(crate) fn tell_ingested(client: IpAddr, ingest: &Ingest, done: &Ingested, took: Duration) {
    let seconds = took.as_secs_f64();
    tracing::info!(
        %client,
        repository = %ingest.name,
        reference = %ingest.reference,
        digest = %done.digest,
        bytes = done.bytes,
        taken = done.taken,
        mounted = done.mounted,
        reused = done.reused,
        seconds = rounded(seconds),
        megabytes_per_second = rounded(speed(done.bytes, seconds)),
        "ingested"
    );
}

/// Megabytes a second; 0 for what took no time.
fn speed(bytes: u64, seconds: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a number for people")]
    let megabytes = bytes as f64 / 1e6;
    if seconds > 0.0 { megabytes / seconds } else { 0.0 }
}

/// Two digits after the point are enough for people.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn name(index: usize) -> RepositoryName {
        format!("a/{index}").parse().unwrap()
    }

    fn later(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn a_pull_ends_when_its_client_is_quiet_and_nothing_is_running() {
        let activity = Arc::new(Activity::default());
        activity.manifest_read(CLIENT, &name(1), 100);
        let mut sending = activity.sending(CLIENT, &name(1));
        sending.add(50);
        assert_eq!(activity.tell_quiet(later(3)), 1, "a blob is still on its way");
        drop(sending);
        let pull = *activity.lock().pulls.values().next().unwrap();
        assert_eq!((pull.bytes, pull.blobs, pull.manifests, pull.running), (150, 1, 1, 0));
        assert_eq!(activity.tell_quiet(later(1)), 1, "not quiet for long enough");
        assert_eq!(activity.tell_quiet(later(3)), 0);
    }

    #[test]
    fn a_push_ends_with_its_manifest() {
        let activity = Activity::default();
        for step in [PushStep::Reused, PushStep::Started, PushStep::Sent(10), PushStep::Mounted] {
            activity.pushing(CLIENT, &name(1), step);
        }
        let push = *activity.lock().pushes.values().next().unwrap();
        assert_eq!((push.bytes, push.sent, push.mounted, push.reused), (10, 1, 1, 1));
        let digest = Digest::empty(wharf_oci::Algorithm::Sha256);
        activity.pushed(CLIENT, &name(1), &Reference::Digest(digest), &digest, 5);
        assert_eq!(activity.tell_quiet(later(0)), 0);
    }

    #[test]
    fn an_unfinished_push_is_forgotten() {
        let activity = Activity::default();
        activity.pushing(CLIENT, &name(1), PushStep::Started);
        assert_eq!(activity.tell_quiet(later(60)), 1);
        assert_eq!(activity.tell_quiet(later(601)), 0);
    }

    #[test]
    fn the_table_is_bounded() {
        let activity = Arc::new(Activity::default());
        for index in 0..TRACKED_MAX + 10 {
            drop(activity.sending(CLIENT, &name(index)));
            activity.pushing(CLIENT, &name(index), PushStep::Started);
        }
        assert_eq!(activity.lock().pulls.len(), TRACKED_MAX);
        assert_eq!(activity.lock().pushes.len(), TRACKED_MAX);
    }
}
