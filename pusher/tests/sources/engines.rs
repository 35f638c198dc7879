//! Images that real programs built and saved: from the store, and from every form in which it can be
//! saved, the same image comes.

use std::fs;
use std::io::{self, Read};
use std::process::{Child, ChildStdout, Stdio};

use wharf_oci::{Digest, media_type};
use wharf_pusher::image::Role;
use wharf_pusher::source::archive::ArchiveSource;
use wharf_pusher::source::layout::LayoutSource;
use wharf_pusher::source::saved::{self, Export};
use wharf_pusher::source::{ImageSource, SourceError};

use crate::contract;
use crate::engine::Engine;
use crate::made::{Packing, noise, sha256};

/// Two layers, one of them larger than what is taken without asking.
const CONTAINERFILE: &str = "\
FROM scratch
COPY small /etc/
COPY large /srv/
CMD [\"/srv/large\"]
";

/// An engine with `localhost/app:v1`.
fn with_image(arguments: &[&str]) -> Engine {
    let engine = Engine::new();
    build(&engine, "localhost/app:v1", arguments);
    engine
}

fn build(engine: &Engine, name: &str, arguments: &[&str]) {
    let folder = engine.folder().join("context");
    fs::create_dir_all(folder.join("small")).unwrap();
    for (file, bytes) in [("small/a", 100), ("small/b", 0), ("large", 6 << 20)] {
        fs::write(folder.join(file), noise(1, bytes)).unwrap();
    }
    fs::hard_link(folder.join("small/a"), folder.join("small/a-too")).ok();
    fs::write(folder.join("Containerfile"), CONTAINERFILE).unwrap();
    let context = folder.display().to_string();
    engine.podman(
        &[&["build", "--quiet", "--layers=true", "--tag", name], arguments, &[&context]].concat(),
    );
}

fn open_archive(engine: &Engine, name: &str, reference: Option<&str>) -> ArchiveSource {
    let path = engine.folder().join(name);
    ArchiveSource::open(&path, reference, |_| true, engine.folder()).unwrap()
}

fn open_layout(engine: &Engine, name: &str) -> LayoutSource {
    LayoutSource::open(&engine.folder().join(name), None).unwrap()
}

#[test]
fn a_built_image_is_the_same_from_everywhere() {
    let engine = with_image(&[]);
    let id = engine.podman(&["image", "inspect", "--format", "{{.Id}}", "app:v1"]);
    let local = engine.podman(&["image", "inspect", "--format", "{{.Digest}}", "app:v1"]);

    let source = engine.source("app:v1").unwrap();
    let facts = contract::check(&source);
    assert_eq!(facts.id, Some(format!("sha256:{id}").parse().unwrap()));
    assert_eq!(facts.diff_ids.len(), 2);
    let manifest = &source.image().manifest;
    assert_eq!(sha256(manifest.bytes()).to_string(), local, "byte for byte as it was built");
    assert!(source.image().pulled.is_none());
    for name in ["localhost/app:v1", &id, &id[..12], &format!("localhost/app@{local}")] {
        assert_eq!(engine.source(name).unwrap().image().id, facts.id, "{name}");
    }

    for (file, format) in [("da.tar", "docker-archive"), ("oa.tar", "oci-archive")] {
        engine.podman(&["save", "--quiet", "--format", format, "--output", file, "app:v1"]);
        for reference in [None, Some("app:v1")] {
            let source = open_archive(&engine, file, reference);
            assert_eq!(contract::check(&source), facts, "{format}");
        }
        let bytes = fs::read(engine.folder().join(file)).unwrap();
        for (packing, name) in [(Packing::Gzip, "packed.gz"), (Packing::Zstd, "packed.zst")] {
            fs::write(engine.folder().join(name), packing.pack(&bytes)).unwrap();
            assert_eq!(contract::check(&open_archive(&engine, name, None)), facts, "{format}");
        }
    }
    for (folder, format) in [("od", "oci-dir"), ("dd", "docker-dir")] {
        engine.podman(&["save", "--quiet", "--format", format, "--output", folder, "app:v1"]);
        assert_eq!(contract::check(&open_layout(&engine, folder)), facts, "{format}");
    }
    let plain =
        ["save", "--quiet", "--uncompressed", "--format=oci-dir", "--output=plain", "app:v1"];
    engine.podman(&plain);
    let source = open_layout(&engine, "plain");
    assert_eq!(contract::check(&source), facts);
    assert_eq!(source.image().manifest.bytes(), manifest.bytes());

    let from = "containers-storage:[{store}]localhost/app:v1";
    engine.skopeo(&[from, "oci:skopeo-layout:v1"]);
    assert_eq!(contract::check(&open_layout(&engine, "skopeo-layout")), facts);
    engine.skopeo(&[from, "docker-archive:skopeo.tar:localhost/app:v1"]);
    assert_eq!(contract::check(&open_archive(&engine, "skopeo.tar", Some("app:v1"))), facts);
    engine.skopeo(&[from, "oci-archive:skopeo-oci.tar:v1"]);
    assert_eq!(contract::check(&open_archive(&engine, "skopeo-oci.tar", Some("v1"))), facts);
    engine.skopeo(&[from, "dir:skopeo-dir"]);
    assert_eq!(contract::check(&open_layout(&engine, "skopeo-dir")), facts);
}

#[test]
fn several_images_in_one_archive_share_their_layers() {
    let engine = with_image(&[]);
    build(&engine, "localhost/app:v2", &["--label", "version=2"]);
    let save =
        ["save", "--quiet", "--multi-image-archive", "--output=many.tar", "app:v1", "app:v2"];
    engine.podman(&save);
    for name in ["app:v1", "app:v2"] {
        let facts = contract::check(&engine.source(name).unwrap());
        assert_eq!(contract::check(&open_archive(&engine, "many.tar", Some(name))), facts);
    }
}

#[test]
fn an_image_in_dockers_format_stays_in_it() {
    let engine = with_image(&["--format=docker"]);
    let source = engine.source("app:v1").unwrap();
    let facts = contract::check(&source);
    assert_eq!(source.image().manifest.media_type(), media_type::DOCKER_MANIFEST);
    engine.podman(&["save", "--quiet", "--output", "da.tar", "app:v1"]);
    assert_eq!(contract::check(&open_archive(&engine, "da.tar", None)), facts);
    engine.podman(&["save", "--quiet", "--format=docker-dir", "--output", "dd", "app:v1"]);
    let source = open_layout(&engine, "dd");
    assert_eq!(contract::check(&source), facts);
    assert_eq!(source.image().manifest.media_type(), media_type::DOCKER_MANIFEST);
}

#[test]
fn what_buildah_commits_is_read_as_what_podman_builds() {
    let engine = Engine::new();
    let buildah =
        |arguments: &[&str]| crate::engine::run(engine.command("buildah").args(arguments));
    let container = buildah(&["from", "scratch"]);
    fs::write(engine.folder().join("file"), noise(3, 5 << 20)).unwrap();
    buildah(&["copy", &container, "file", "/file"]);
    buildah(&["config", "--cmd", "/file", &container]);
    buildah(&["commit", "--quiet", &container, "made:v1"]);
    buildah(&["rm", &container]);
    let facts = contract::check(&engine.source("made:v1").unwrap());
    engine.podman(&["save", "--quiet", "--output", "da.tar", "made:v1"]);
    assert_eq!(contract::check(&open_archive(&engine, "da.tar", None)), facts);
}

#[test]
fn a_pulled_image_is_given_with_its_layers_uncompressed() {
    let engine = with_image(&[]);
    let built = contract::check(&engine.source("app:v1").unwrap());
    for (algorithm, format, folder) in
        [("gzip", "oci", "g"), ("zstd", "oci", "z"), ("gzip", "v2s2", "d")]
    {
        let layout = format!("dir:{folder}");
        let from = "containers-storage:[{store}]localhost/app:v1";
        let algorithm = format!("--dest-compress-format={algorithm}");
        engine.skopeo(&["--dest-compress", &algorithm, "--format", format, from, &layout]);
        let original = fs::read(engine.folder().join(folder).join("manifest.json")).unwrap();

        let other = Engine::new();
        let path = format!("dir:{}", engine.folder().join(folder).display());
        let id = other.podman(&["pull", "--quiet", &path]);
        let source = other.source(&id).unwrap();
        assert_eq!(contract::check(&source), built, "{folder}");

        let image = source.image();
        let pulled = image.pulled.as_ref().unwrap();
        assert_eq!(pulled.bytes(), &original, "{folder}");
        assert_eq!(image.manifest.media_type(), pulled.media_type());
        assert_eq!(image.manifest.config(), pulled.config());
        let was: Vec<_> = image
            .blobs
            .iter()
            .filter_map(|blob| match &blob.role {
                Role::Layer { pulled, .. } => pulled.as_ref(),
                Role::Config(_) => None,
            })
            .collect();
        assert_eq!(was, pulled.layers().iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_list_of_images_is_given_with_those_that_are_there() {
    // From the cache, one platform would be taken for the other.
    let engine = with_image(&["--platform=linux/amd64", "--no-cache"]);
    build(&engine, "localhost/app:arm", &["--platform=linux/arm64", "--no-cache"]);
    engine.podman(&["manifest", "create", "list:v1"]);
    for name in ["app:v1", "app:arm"] {
        let image = format!("containers-storage:localhost/{name}");
        engine.podman(&["manifest", "add", "list:v1", &image]);
    }
    let source = engine.source("list:v1").unwrap();
    let facts = contract::check(&source);
    let of = |name| contract::check(&engine.source(name).unwrap());
    assert_eq!(facts.children, [of("app:v1"), of("app:arm")]);
    assert_ne!(facts.children[0].platform, facts.children[1].platform);

    engine.podman(&["rmi", "--force", "app:arm"]);
    let facts = contract::check(&engine.source("list:v1").unwrap());
    assert_eq!(facts.children, [of("app:v1")]);
}

#[test]
fn an_image_that_is_not_there_is_told_with_its_neighbours() {
    let engine = with_image(&[]);
    let error = engine.source("aap:v1").unwrap_err();
    assert!(error.is_image_unknown() && !error.needs_podman() && !error.needs_unshare());
    let SourceError::Store { source, .. } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("localhost/app:v1"), "{source}");
}

#[test]
fn a_layer_that_only_podman_can_give_is_known_before_anything_is_sent() {
    let engine = with_image(&[]);
    let layers = engine.folder().join("root/overlay-layers");
    for entry in fs::read_dir(layers).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".tar-split.gz") {
            fs::remove_file(path).unwrap();
        }
    }
    let error = engine.source("app:v1").unwrap_err();
    assert!(error.needs_podman(), "{error:?}");
}

#[test]
fn an_image_that_is_removed_meanwhile_is_an_error() {
    let engine = with_image(&[]);
    let source = engine.source("app:v1").unwrap();
    engine.podman(&["rmi", "--all", "--force"]);
    for blob in &source.image().blobs[1..] {
        let digest = blob.descriptor.digest;
        let read = source.open(&digest).and_then(|mut reader| {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map(|_| bytes)
        });
        assert!(read.is_err(), "{digest}");
    }
}

/// `podman save`, writing to a pipe.
struct Saving(Child, Option<ChildStdout>);

impl Saving {
    fn start(engine: &Engine, image: &str) -> Self {
        let mut command = engine.command("podman");
        command.args(saved::arguments(image)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = child.stdout.take();
        Self(child, output)
    }
}

impl Read for Saving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1.as_mut().unwrap().read(buffer)
    }
}

impl Export for Saving {
    fn finish(&mut self) -> io::Result<()> {
        drop(self.1.take());
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said)?;
        if self.0.wait()?.success() { Ok(()) } else { Err(io::Error::other(said)) }
    }
}

#[test]
fn what_podman_saves_to_a_pipe_is_the_image_of_its_store() {
    let engine = with_image(&[]);
    let facts = contract::check(&engine.source("app:v1").unwrap());
    let save = |lacks: fn(&Digest) -> bool| {
        saved::read("app:v1", Saving::start(&engine, "app:v1"), lacks, engine.folder())
    };
    assert_eq!(contract::check(&save(|_| true).unwrap()), facts);

    // The large layer goes past, and is known all the same.
    let source = save(|_| false).unwrap();
    assert_eq!(source.image().id, facts.id);
    let given: Vec<_> =
        source.image().blobs[1..].iter().map(|blob| blob.descriptor.digest).collect();
    assert_eq!(given, facts.diff_ids);
    assert!(source.open(&given[0]).is_ok());
    let error = source.open(&given[1]).err().unwrap().to_string();
    assert!(error.contains("push again"), "{error}");

    let absent = Saving::start(&engine, "absent:v1");
    let error = saved::read("absent:v1", absent, |_| true, engine.folder()).unwrap_err();
    let SourceError::Save { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("absent"), "{source}");
}
