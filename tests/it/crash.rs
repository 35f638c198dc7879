//! SIGKILL at random moments under parallel pushes: after each, a new process must come up on the
//! same store, serve everything that was ever acknowledged, and take the clients' retries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use wharf_client::{BlobSource, Error, RegistryClient};
use wharf_oci::{Algorithm, Descriptor, Digest, Manifest, Reference, RepositoryName, Tag};

use crate::harness::{Server, Setup};

/// How often the server is killed.
const KILLS: u64 = 300;
/// Clients that push at the same time, each into a repository of its own.
const CLIENTS: u64 = 4;
/// A server lives for less than this before it is killed.
const LIFE_MS_MAX: u64 = 40;

#[test]
fn nothing_acknowledged_is_lost_by_a_kill_at_any_moment() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
    let mut server = Setup::new().listen(own_address()).start();
    for round in 0..KILLS {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let push = Pushes::new(&server, client, seed ^ (round << 8) ^ client);
                runtime.spawn(push.until_the_server_dies(Arc::clone(&acknowledged)))
            })
            .collect();
        // The moment is the point: nothing is waited for.
        let life = Duration::from_millis(random(seed.wrapping_add(round)).next_u64() % LIFE_MS_MAX);
        let end = Instant::now() + life;
        std::thread::park_timeout(end.saturating_duration_since(Instant::now()));
        server.kill();
        for client in clients {
            runtime.block_on(client).unwrap();
        }
        server = server.restart();
        if round % 10 == 9 {
            runtime.block_on(acknowledged.lock().unwrap().check(&server));
        }
    }
    let acknowledged = acknowledged.lock().unwrap();
    assert!(acknowledged.blobs.len() as u64 > KILLS / 2, "too little got through to show anything");
    runtime.block_on(acknowledged.check(&server));
}

/// What the server has said yes to.
#[derive(Debug, Default)]
struct Acknowledged {
    blobs: Vec<(RepositoryName, Digest)>,
    manifests: Vec<(RepositoryName, Digest)>,
    /// Where each client's tag may point.
    tags: HashMap<RepositoryName, Target>,
    /// Images whose push was cut short: their clients try them again.
    interrupted: HashMap<RepositoryName, (Bytes, Bytes)>,
}

/// The manifest that was last acknowledged for a tag, and those sent since without an answer.
#[derive(Debug, Default)]
struct Target {
    acknowledged: Option<Digest>,
    sent: Vec<Digest>,
}

impl Acknowledged {
    async fn check(&self, server: &Server) {
        let client = client(server);
        for (name, digest) in &self.blobs {
            // Reads all of it and hashes it.
            let blob = client.blob(name, digest).await;
            let blob = blob.unwrap_or_else(|error| panic!("lost {name} {digest}: {error}"));
            blob.bytes(u64::MAX).await.unwrap();
        }
        for (name, digest) in &self.manifests {
            let reference = Reference::Digest(*digest);
            let manifest = client.manifest(name, &reference).await;
            manifest.unwrap_or_else(|error| panic!("lost manifest {name} {digest}: {error}"));
        }
        for (name, target) in &self.tags {
            let found = client.manifest(name, &Reference::Tag(tag())).await;
            let found = match found {
                Ok(manifest) => Some(manifest.digest),
                Err(error) if error.is_not_found() => None,
                Err(error) => panic!("the tag of {name}: {error}"),
            };
            let is_new = found.is_some_and(|found| target.sent.contains(&found));
            assert!(is_new || found == target.acknowledged, "{name}: {found:?} for {target:?}");
        }
    }
}

/// One client and the images it makes up.
struct Pushes {
    client: RegistryClient,
    name: RepositoryName,
    random: TestRng,
}

impl Pushes {
    fn new(server: &Server, client: u64, seed: u64) -> Self {
        let name = format!("crash/client-{client}").parse().unwrap();
        Self { client: self::client(server), name, random: random(seed) }
    }

    async fn until_the_server_dies(mut self, acknowledged: Arc<Mutex<Acknowledged>>) {
        loop {
            match self.push(&acknowledged).await {
                Ok(()) => {}
                Err(error) if is_death(&error) => return,
                Err(error) => panic!("refused: {error}"),
            }
        }
    }

    async fn push(&mut self, acknowledged: &Mutex<Acknowledged>) -> Result<(), Error> {
        let interrupted = acknowledged.lock().unwrap().interrupted.get(&self.name).cloned();
        let (config, layer) = interrupted.unwrap_or_else(|| (self.blob(200), self.blob(300_000)));
        let image = (config.clone(), layer.clone());
        acknowledged.lock().unwrap().interrupted.insert(self.name.clone(), image);
        for blob in [&config, &layer] {
            let source = BlobSource::bytes(blob.clone());
            let digest = Digest::of(Algorithm::Sha256, blob);
            self.client.upload_blob(&self.name, &digest, source).await?;
            acknowledged.lock().unwrap().blobs.push((self.name.clone(), digest));
        }
        let manifest = manifest(&config, &layer);
        let digest = Digest::of(Algorithm::Sha256, manifest.bytes());
        let target = |change: &dyn Fn(&mut Target)| {
            change(acknowledged.lock().unwrap().tags.entry(self.name.clone()).or_default());
        };
        target(&|target| target.sent.push(digest));
        self.client.put_manifest(&self.name, &Reference::Tag(tag()), &manifest).await?;
        target(&|target| *target = Target { acknowledged: Some(digest), sent: Vec::new() });
        let mut acknowledged = acknowledged.lock().unwrap();
        acknowledged.manifests.push((self.name.clone(), digest));
        acknowledged.interrupted.remove(&self.name);
        Ok(())
    }

    fn blob(&mut self, length_max: u64) -> Bytes {
        let mut bytes = vec![0; 1 + (self.random.next_u64() % length_max) as usize];
        self.random.fill_bytes(&mut bytes);
        bytes.into()
    }
}

fn manifest(config: &Bytes, layer: &Bytes) -> Manifest {
    let describe = |kind: &str, blob: &Bytes| {
        let digest = Digest::of(Algorithm::Sha256, blob);
        Descriptor::new(kind, digest, blob.len() as u64)
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": wharf_oci::media_type::OCI_MANIFEST,
        "config": describe(wharf_oci::media_type::OCI_CONFIG, config),
        "layers": [describe(wharf_oci::media_type::OCI_LAYER, layer)],
    });
    Manifest::parse(manifest.to_string().into(), None).unwrap()
}

/// A loopback address that no other test listens on: a port that a killed server had may be another
/// server's a moment later, and the clients would go on pushing to that one.
fn own_address() -> String {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    format!("127.{}.{middle}.{low}:0", high | 0x80)
}

/// Whether the request failed because the server was killed, and not because it refused.
fn is_death(error: &Error) -> bool {
    matches!(error, Error::Unreachable { .. } | Error::Interrupted { .. })
}

fn client(server: &Server) -> RegistryClient {
    RegistryClient::new(server.address().to_string().parse().unwrap())
}

fn tag() -> Tag {
    "latest".parse().unwrap()
}

fn random(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}
