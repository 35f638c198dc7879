//! Ingest as people run it: Wharf in its container, the three folders of Podman's store mounted one by
//! one, a secret of Podman's, and `wharf push` on the host, while Podman builds and removes images.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::client;
use crate::cluster::Cluster;
use crate::command;
use crate::containerfile;
use crate::image;
use crate::machine;
use crate::podman::Podman;
use crate::registry::Registry;

/// The folders of the store that an image is made of.
const FOLDERS: [&str; 3] = ["overlay", "overlay-images", "overlay-layers"];

/// A registry that sees the store of Podman, and what a client has to know.
struct Ingesting<'a> {
    cluster: &'a Cluster,
    registry: Registry,
    secret: PathBuf,
}

impl<'a> Ingesting<'a> {
    fn start(cluster: &'a Cluster, name: &str) -> Self {
        let podman = cluster.podman();
        let secret = podman.folder().join(format!("{name}.secret"));
        let text =
            command::run(Command::new("sh").args(["-c", "head -c 32 /dev/urandom | base64"]));
        fs::write(&secret, text).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        podman.run(["secret", "create", name, secret.to_str().unwrap()]);
        let mut options = mounts(podman);
        options.extend([
            format!("--secret={name},mode=0400"),
            "--env=WHARF_SERVE_CONTAINERS_STORAGE=/containers".to_owned(),
            format!("--env=WHARF_SERVE_INGEST_SECRET=/run/secrets/{name}"),
        ]);
        let registry = Registry::start_with(podman, cluster.wharf(), name, options);
        let log = registry.log();
        let warned = ["no image can be taken in", "others can read"];
        assert!(!warned.iter().any(|words| log.contains(words)), "{log}");
        Self { cluster, registry, secret }
    }

    /// `wharf push` on the host, by way of ingest and no other.
    fn push(&self, image: &str, target: &str) -> Command {
        let podman = self.cluster.podman();
        let mut push = podman.command(machine::wharf());
        push.args(["push", "--via", "ingest", "--registry", &self.registry.host(), "--as", target]);
        push.arg("--storage-root").arg(podman.folder().join("root"));
        push.arg("--ingest-secret").arg(&self.secret).arg(image);
        push
    }

    /// Pushes `image`, and checks what arrived: digest, layers, and that a node runs it.
    fn travels(&self, image: &str, target: &str) {
        let podman = self.cluster.podman();
        command::run(&mut self.push(image, target));
        let outside = format!("{}/{target}", self.registry.host());
        let local = podman.run(["image", "inspect", "--format", "{{.Digest}}", image]);
        assert_eq!(client::digest(self.cluster, &outside), local, "the digest of {outside}");
        self.fetch(&outside);
    }

    /// Fetches the whole image; Skopeo compares every layer with its digest.
    fn fetch(&self, image: &str) {
        let podman = self.cluster.podman();
        let folder = tempfile::tempdir_in(podman.folder()).unwrap();
        let target = format!("dir:{}", folder.path().display());
        let mut skopeo = podman.command("skopeo");
        command::run(skopeo.args(["copy", "--quiet", &format!("docker://{image}"), &target]));
    }

    /// Whether a tag is there; if it is, the whole image must be.
    fn has_whole(&self, target: &str) -> bool {
        let image = format!("{}/{target}", self.registry.host());
        let mut crane = self.cluster.podman().command("crane");
        let has = command::output(crane.args(["digest", &image])).status.success();
        if has {
            self.fetch(&image);
        }
        has
    }
}

impl Drop for Ingesting<'_> {
    fn drop(&mut self) {
        let remove = ["secret", "rm", self.registry.name()];
        command::output(&mut self.cluster.podman().podman(remove));
    }
}

/// The options that show a container the images of the store, and no more.
fn mounts(podman: &Podman) -> Vec<String> {
    let root = podman.folder().join("root");
    let mount =
        |folder| format!("--volume={}/{folder}:/containers/{folder}:ro,bind", root.display());
    FOLDERS.map(mount).to_vec()
}

pub(crate) fn ingest_brings_an_image_and_a_node_runs_it(cluster: &Cluster) {
    let ingesting = Ingesting::start(cluster, "ingesting");
    // The app itself was pulled again by other tests, so Podman knows several manifests of it.
    const TAKEN: &str = "localhost/taken:1";
    let context = tempfile::tempdir().unwrap();
    let containerfile = format!("FROM {}\nLABEL taken=in\n", image::APP);
    fs::write(context.path().join("Containerfile"), containerfile).unwrap();
    let folder = context.path().to_str().unwrap();
    cluster.podman().run(["build", "--quiet", "--isolation", "chroot", "--tag", TAKEN, folder]);
    ingesting.travels(TAKEN, "app:1");
    let log = command::wait_for("the ingest to be logged", || {
        Some(ingesting.registry.log()).filter(|log| log.contains("ingested"))
    });
    assert!(!log.contains("pushed"), "{log}");

    let node = cluster.node();
    let inside = "ingesting:5000/app:1";
    node.route("ingesting:5000", "ingesting:5000");
    let id = node.pull(inside).unwrap();
    let local = cluster.podman().run(["image", "inspect", "--format", "{{.Id}}", TAKEN]);
    assert_eq!(id, format!("sha256:{local}"));
    let printed = node.execute(inside, &["/usr/local/bin/program", "--version"]);
    assert!(printed.starts_with("wharf "), "the program in {inside} printed {printed:?}");
    node.remove(inside);
}

pub(crate) fn ingest_works_while_podman_builds(cluster: &Cluster) {
    let ingesting = Ingesting::start(cluster, "building");
    let podman = cluster.podman();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut built = 0;
            while !ended.load(Ordering::Relaxed) || built == 0 {
                build(podman, "localhost/busy:1", &format!("build {built}"));
                built += 1;
            }
        });
        // However this ends, the builder must.
        let _end = OnDrop(|| ended.store(true, Ordering::Relaxed));
        for number in 0..4 {
            let image = format!("localhost/mine:{number}");
            build(podman, &image, &format!("mine {number}"));
            ingesting.travels(&image, &format!("mine:{number}"));
        }
    });
}

pub(crate) fn ingest_of_an_image_that_is_removed_is_whole_or_nothing(cluster: &Cluster) {
    let podman = cluster.podman();
    for (number, removal) in
        [&["rmi", "--force"][..], &["image", "prune", "--force"]].iter().enumerate()
    {
        // A registry of its own each time: nothing of the image is there before.
        let ingesting = Ingesting::start(cluster, &format!("removing-{number}"));
        let doomed = build_doomed(podman, number);
        let mut remove = podman.podman([]);
        remove.args(*removal).args((removal[0] == "rmi").then_some(&doomed));
        let pushed = std::thread::scope(|scope| {
            let pushing = scope.spawn(|| command::output(&mut ingesting.push(&doomed, "doomed:1")));
            command::wait_for("the ingest to begin", || {
                let begun = uploads(&ingesting) > 0;
                (begun || pushing.is_finished()).then_some(())
            });
            command::run(&mut remove);
            pushing.join().unwrap()
        });
        let has = ingesting.has_whole("doomed:1");
        assert_eq!(pushed.status.success(), has, "{}", command::words(&pushed));
        if !has {
            let words = command::words(&pushed);
            assert!(words.contains("removed") || words.contains("again"), "no help in: {words}");
        }
        command::wait_for("all upload sessions to be gone", || {
            (uploads(&ingesting) == 0).then_some(())
        });
        let gone = command::output(&mut podman.podman(["image", "exists", &doomed]));
        assert!(!gone.status.success(), "the image is still there");
    }
}

pub(crate) fn ingest_needs_the_secret(cluster: &Cluster) {
    let ingesting = Ingesting::start(cluster, "guarded");
    let podman = cluster.podman();
    let id = podman.run(["image", "inspect", "--format", "{{.Id}}", image::APP]);
    let wish = format!(r#"{{"version":1,"image":"sha256:{id}","name":"stolen","tag":"1"}}"#);
    // From a container on the network, as a pod could.
    for header in ["X-Nothing: at all", "Authorization: Bearer 0123456789abcdef"] {
        let status = podman.run([
            "exec",
            "wharf-control-plane",
            "curl",
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-H",
            header,
            "-d",
            &wish,
            "http://guarded:5000/wharf/ingest",
        ]);
        assert_eq!(status, "401", "{header}");
    }
    fs::write(&ingesting.secret, "another-secret-of-the-right-length").unwrap();
    let refused = command::output(&mut ingesting.push(image::APP, "stolen:1"));
    assert!(!refused.status.success(), "{}", command::words(&refused));
    assert!(command::words(&refused).contains("secret"), "{}", command::words(&refused));
    assert!(!ingesting.has_whole("stolen:1"));
}

/// What somebody who took over the registry's container could do: a container with its mounts, and
/// with a shell.
pub(crate) fn ingest_has_mounts_that_cannot_be_written(cluster: &Cluster) {
    let podman = cluster.podman();
    let mut options = mounts(podman);
    options.extend(["--rm".into(), "--network=none".into(), "--user=0".into()]);
    let inside = |script: &str| -> Output {
        let mut run = podman.podman(["run"]);
        command::output(run.args(&options).args([containerfile::DEBIAN, "sh", "-c", script]))
    };
    // Every folder that is there, those in which running containers have their files too.
    let script = "cd /containers || exit 2
        for folder in $(find * -maxdepth 3 -type d); do
            if touch $folder/written 2>/dev/null; then echo written: $folder; fi
        done
        for file in $(find * -maxdepth 4 -type f | head -n 200); do
            if (: >>$file) 2>/dev/null; then echo opened: $file; fi
        done
        for folder in *; do
            if mount -o remount,rw,bind $folder 2>/dev/null; then echo mounted: $folder; fi
        done
        ls; find overlay -maxdepth 2 -name diff | grep -q . && echo seen";
    let output = inside(script);
    let said = String::from_utf8_lossy(&output.stdout);
    let expected = format!("{}\nseen\n", FOLDERS.join("\n"));
    assert_eq!(said, expected, "{}", command::words(&output));

    // The same script finds what it looks for where a mount can be written.
    let scratch = podman.folder().join("scratch");
    fs::create_dir_all(scratch.join("overlay")).unwrap();
    let volume = format!("{}:/containers", scratch.display());
    let mut run = podman.podman(["run", "--rm", "--network=none", "--volume", &volume]);
    let output = command::output(run.args([containerfile::DEBIAN, "sh", "-c", script]));
    assert!(command::words(&output).contains("written: overlay"), "{}", command::words(&output));
}

/// Does something at the end, also of a test that fails.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Builds an image without a name, large and of many files, which shares no layer with any other.
/// Returns its ID.
fn build_doomed(podman: &Podman, number: usize) -> String {
    let context = tempfile::tempdir().unwrap();
    let files = context.path().join("files");
    fs::create_dir(&files).unwrap();
    for name in 0..1000 {
        fs::write(files.join(name.to_string()), format!("{name} of image {number}")).unwrap();
    }
    fs::File::create(files.join("large")).unwrap().set_len(256 << 20).unwrap();
    fs::write(context.path().join("Containerfile"), "FROM scratch\nCOPY files /files\n").unwrap();
    command::run(podman.podman(["build", "--quiet", "--layers=false"]).arg(context.path()))
}

/// Builds an image of a few layers upon the base.
fn build(podman: &Podman, image: &str, content: &str) {
    let context = tempfile::tempdir().unwrap();
    fs::write(context.path().join("content"), content).unwrap();
    let file =
        format!("FROM {}\nCOPY content /first\nCOPY content /second\n", containerfile::DEBIAN);
    fs::write(context.path().join("Containerfile"), file).unwrap();
    let build = ["build", "--quiet", "--layers=false", "--network", "none", "--tag", image];
    command::run(podman.podman(build).arg(context.path()));
}

/// Upload sessions that the registry has open.
fn uploads(ingesting: &Ingesting<'_>) -> u64 {
    let url = format!("http://{}/metrics", ingesting.registry.host());
    let page = command::run(Command::new("curl").args(["-sS", &url]));
    let line = page.lines().find_map(|line| line.strip_prefix("wharf_uploads "));
    line.expect("the page has the number").parse().unwrap()
}
