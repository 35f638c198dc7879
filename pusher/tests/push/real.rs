//! The same against registries that people run: Wharf's own, in this process, and docker-registry.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};

use tempfile::TempDir;
use tokio::sync::oneshot;
use wharf_client::RegistryClient;
use wharf_oci::Digest;
use wharf_pusher::image::Image;
use wharf_pusher::layer::Compression;
use wharf_pusher::progress::{Event, Events};
use wharf_pusher::source::ImageSource;
use wharf_pusher::{Config, Error, push};
use wharf_registry::Server;

use crate::made::{Made, bytes, of};
use crate::{config, name, order, push_one, push_told, tag, until};

/// A registry with its volume, ended when dropped.
struct Real {
    client: RegistryClient,
    folder: TempDir,
    running: Running,
}

enum Running {
    Here(#[expect(dead_code, reason = "it ends when this is dropped")] oneshot::Sender<()>),
    Process(Child),
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Process(child) = self {
            _ = child.kill();
            _ = child.wait();
        }
    }
}

async fn wharf() -> Real {
    let folder = tempfile::tempdir().unwrap();
    let mut config = wharf_registry::Config::new(folder.path());
    config.listen = vec![([127, 0, 0, 1], 0).into()];
    let server = Server::bind(config).unwrap();
    let client = RegistryClient::new(server.addresses()[0].into());
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(server.run(async { _ = stopped.await }));
    client.ping().await.unwrap();
    Real { client, folder, running: Running::Here(stop) }
}

async fn docker_registry() -> Real {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yml");
    let root = folder.path().join("volume");
    let text = format!(
        "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: \
         {{enabled: true}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n",
        root.display()
    );
    std::fs::write(&path, text).unwrap();
    let mut child = Command::new("docker-registry")
        .arg("serve")
        .arg(&path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("docker-registry is installed (Debian: apt-get install docker-registry)");
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let (sender, addresses) = mpsc::channel();
    // Its pipe is emptied as long as it runs.
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("listening on ") {
                let end = rest.find(|it: char| !"0123456789.:".contains(it)).unwrap_or(rest.len());
                _ = sender.send(rest[..end].to_owned());
            }
        }
    });
    let running = Running::Process(child);
    let address = addresses.recv_timeout(crate::PATIENCE).expect("docker-registry starts");
    let client = RegistryClient::new(address.parse().unwrap());
    Real { client, folder, running }
}

/// The bytes of the uploads that are open; none if there are no uploads. docker-registry leaves empty
/// folders behind.
fn uploads(folder: &Path) -> Option<u64> {
    let entries = std::fs::read_dir(folder).ok()?;
    let of_one = |entry: std::fs::DirEntry| {
        let path = entry.path();
        let is_upload = path.ends_with("data") && path.iter().any(|part| part == "_uploads");
        if is_upload { Some(entry.metadata().ok()?.len()) } else { uploads(&path) }
    };
    entries.filter_map(Result::ok).filter_map(of_one).reduce(|one, other| one + other)
}

async fn both(check: impl AsyncFn(Real)) {
    check(wharf().await).await;
    check(docker_registry().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_arrives_and_then_nothing_moves() {
    both(async |registry| {
        let image = Arc::new(Made::sized(1, &[5_000_000, 1000, 0, 3_000_000]));
        let pushed = push_one(&image, &registry.client).await.unwrap();
        assert_eq!(pushed.digest, image.digest());
        let stored = registry.client.manifest(&name("app"), &tag("v1")).await.unwrap();
        assert_eq!(stored.manifest.bytes(), image.image.manifest.bytes());
        for layer in stored.manifest.layers() {
            let blob = registry.client.blob(&name("app"), &layer.digest).await.unwrap();
            assert_eq!(blob.bytes(layer.size).await.unwrap().len() as u64, layer.size);
        }
        assert!(push_one(&image, &registry.client).await.unwrap().was_there);
        assert_eq!(uploads(registry.folder.path()), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_images_share_and_mount() {
    both(async |registry| {
        let base = bytes(1, 1_000_000);
        let one = Arc::new(Made::new(&[base.clone(), bytes(2, 1000)]));
        let two = Arc::new(Made::new(&[base.clone(), bytes(3, 1000)]));
        let orders =
            vec![order(&one, &registry.client, "one"), order(&two, &registry.client, "team/two")];
        let pushed = push(orders, &config(), &Events::default()).await.unwrap();
        assert_eq!(pushed[1].mounted_bytes, base.len() as u64);
        let size = registry.client.head_blob(&name("team/two"), &of(&base)).await.unwrap();
        assert_eq!(size, Some(base.len() as u64));
        assert_eq!(uploads(registry.folder.path()), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_layers_and_indexes_are_taken() {
    both(async |registry| {
        for compression in [Compression::None, Compression::GZIP, Compression::ZSTD] {
            let images = vec![Made::sized(1, &[1_000_000]), Made::sized(2, &[500_000])];
            let index = Arc::new(Made::index(images, &[]));
            let config = Config { compression, ..config() };
            let orders = vec![order(&index, &registry.client, "app")];
            let pushed = push(orders, &config, &Events::default()).await.unwrap();
            let found = registry.client.head_manifest(&name("app"), &tag("v1")).await.unwrap();
            assert_eq!(found.unwrap().digest, pushed[0].digest);
            assert_eq!(pushed[0].is_original, compression == Compression::None);
        }
    })
    .await;
}

/// Gives its layer up to a place, and the rest only when it is told to.
#[derive(Debug)]
struct Slow {
    made: Made,
    stop_at: usize,
    go_on: Mutex<Option<mpsc::Receiver<()>>>,
}

struct SlowReader {
    bytes: bytes::Bytes,
    at: usize,
    stop_at: usize,
    go_on: Option<mpsc::Receiver<()>>,
}

impl Read for SlowReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.stop_at
            && let Some(go_on) = self.go_on.take()
        {
            // Told to, or left alone: both go on.
            _ = go_on.recv();
        }
        let end = if self.at < self.stop_at { self.stop_at } else { self.bytes.len() };
        let length = buffer.len().min(end - self.at);
        buffer[..length].copy_from_slice(&self.bytes[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

impl ImageSource for Slow {
    fn origin(&self) -> String {
        self.made.origin()
    }

    fn image(&self) -> &Image {
        self.made.image()
    }

    fn open(&self, digest: &Digest) -> std::io::Result<Box<dyn Read + Send>> {
        let mut bytes = Vec::new();
        self.made.open(digest)?.read_to_end(&mut bytes)?;
        let go_on = self.go_on.lock().unwrap().take();
        Ok(Box::new(SlowReader { bytes: bytes.into(), at: 0, stop_at: self.stop_at, go_on }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_push_moves_no_tag_and_leaves_nothing_on_the_volume() {
    both(async |registry| {
        let (keep, go_on) = mpsc::channel();
        let made = Made::sized(1, &[8_000_000]);
        let slow = Arc::new(Slow { made, stop_at: 4 << 20, go_on: Mutex::new(Some(go_on)) });
        let mut order = order(&Arc::new(Made::sized(1, &[1])), &registry.client, "app");
        order.source = slow;
        let config = config();
        let stop = config.stop.clone();
        let pushing = tokio::spawn(async move { push_told(vec![order], &config).await });
        until(|| uploads(registry.folder.path()) > Some(1 << 20)).await;
        stop.stop();
        let (pushed, events) = pushing.await.unwrap();
        assert!(matches!(pushed, Err(Error::Stopped)));
        assert!(!events.iter().any(|event| matches!(event, Event::Tagged { .. })));
        drop(keep);
        // docker-registry does not give back what it took of a request that broke.
        if matches!(registry.running, Running::Here(_)) {
            until(|| uploads(registry.folder.path()).is_none()).await;
        }
        let found = registry.client.head_manifest(&name("app"), &tag("v1")).await.unwrap();
        assert_eq!(found, None);
    })
    .await;
}
