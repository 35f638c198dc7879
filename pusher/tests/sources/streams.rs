//! Images in archives that come by once: what the registry has goes past, what it lacks is kept, and
//! nothing of it is left behind.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use wharf_oci::Digest;
use wharf_pusher::source::archive::ArchiveSource;
use wharf_pusher::source::saved::{self, Export};
use wharf_pusher::source::{ImageSource, SourceError};

use crate::archives::every_form;
use crate::contract;
use crate::made::{Made, Packing, layer, noise};
use crate::written::{docker_by_digest, docker_classic, index, layout_archive};

fn lacks_all(_: &Digest) -> bool {
    true
}

/// Gives its bytes in small and odd pieces.
struct Trickle(io::Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let step = buffer.len().min(1 + usize::try_from(self.0.position() % 70_001).unwrap());
        self.0.read(&mut buffer[..step])
    }
}

fn trickle(bytes: &[u8]) -> Trickle {
    Trickle(io::Cursor::new(bytes.to_vec()))
}

#[test]
fn a_stream_gives_what_a_file_gives() {
    let made = Made::new(1);
    let packings = [Packing::Plain, Packing::Gzip, Packing::Zstd].into_iter().cycle();
    for ((form, bytes), packing) in every_form(&made).into_iter().zip(packings) {
        let spool = tempfile::tempdir().unwrap();
        let packed = packing.pack(&bytes);
        let source = ArchiveSource::read(trickle(&packed), None, lacks_all, spool.path());
        let source = source.unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!(fs::read_dir(spool.path()).unwrap().count(), 0, "the file has no name");
        assert_eq!(contract::check(&source), made.facts(), "{form} {packing:?}");
    }
}

#[test]
fn what_the_registry_has_goes_past() {
    let made = Made::new(1);
    let large = made.diff_ids()[1];
    let stored = made.stored(Packing::Gzip);
    let table = [
        (docker_by_digest(&made, Packing::Plain, ".tar"), made.stored(Packing::Plain)),
        (docker_by_digest(&made, Packing::Gzip, ".tar.gz"), stored.clone()),
        (layout_archive(&[&stored], &index(&[(&stored, "v1")])), stored),
    ];
    for (bytes, stored) in table {
        let spool = tempfile::tempdir().unwrap();
        let asked = RefCell::new(Vec::new());
        let lacks = |digest: &Digest| {
            asked.borrow_mut().push(*digest);
            false
        };
        let source = ArchiveSource::read(trickle(&bytes), None, lacks, spool.path()).unwrap();
        let image = source.image();
        assert_eq!(image.id, Some(made.id()));
        let digest = image.blobs[2].descriptor.digest;
        assert_eq!(asked.into_inner(), [digest], "small ones are not asked for");
        assert_eq!(image.blobs[2].descriptor.size, stored.blobs[&digest].len() as u64);
        let error = source.open(&digest).err().unwrap().to_string();
        assert!(error.contains("push again"), "{error}");
        // The small layer was kept.
        let small = image.blobs[1].descriptor.digest;
        assert_eq!(contract::read(&source, &small, 100), stored.blobs[&small]);
    }
    // Under the plain layer's digest, in another form: the registry may have the one and not the other.
    let bytes = docker_by_digest(&made, Packing::Gzip, ".tar");
    let spool = tempfile::tempdir().unwrap();
    let source = ArchiveSource::read(trickle(&bytes), None, |_| false, spool.path()).unwrap();
    assert_eq!(contract::check(&source).diff_ids[1], large);
}

#[test]
fn names_that_tell_nothing_are_kept() {
    let made = Made::new(1);
    let spool = tempfile::tempdir().unwrap();
    let lacks = |digest: &Digest| panic!("{digest} cannot be known here");
    let bytes = docker_classic(&[(&made, "app:v1")]);
    let source = ArchiveSource::read(trickle(&bytes), None, lacks, spool.path()).unwrap();
    assert_eq!(contract::check(&source), made.facts());
}

#[test]
fn an_archive_that_lies_about_what_went_past_is_found_out() {
    // A large layer under the digest of another image's.
    let (made, other) = (Made::new(1), Made::new(2));
    let mut lying = made.clone();
    lying.layers[1] = other.layers[1].clone();
    let bytes = docker_by_digest(&lying, Packing::Plain, ".tar");
    let spool = tempfile::tempdir().unwrap();
    let read = ArchiveSource::read(trickle(&bytes), None, |_| false, spool.path());
    assert!(matches!(read, Err(SourceError::PassedOver { .. })), "{read:?}");
}

#[test]
fn a_full_disk_is_told_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let made = Made::of_layers(vec![layer("large", &noise(1, 1 << 20))]);
    let bytes = docker_classic(&[(&made, "app:v1")]);
    let absent = folder.path().join("absent");
    let error = ArchiveSource::read(trickle(&bytes), None, lacks_all, &absent).unwrap_err();
    assert!(matches!(error, SourceError::Spool { .. }), "{error:?}");
    assert!(error.to_string().contains("absent"), "{error}");
    // Only where this user may mount one.
    if let Some(small) = SmallFileSystem::mount(folder.path()) {
        let error = ArchiveSource::read(trickle(&bytes), None, lacks_all, &small.0).unwrap_err();
        let SourceError::Spool { source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("make room"), "{error}");
    }
}

/// A file system of 64 KiB, until it is dropped.
struct SmallFileSystem(std::path::PathBuf);

impl SmallFileSystem {
    fn mount(folder: &Path) -> Option<Self> {
        let path = folder.join("small");
        fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&path).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then_some(Self(path))
    }
}

impl Drop for SmallFileSystem {
    fn drop(&mut self) {
        _ = Command::new("umount").arg(&self.0).status();
    }
}

/// A program that writes these bytes, and ends like this.
struct Program(io::Cursor<Vec<u8>>, Option<&'static str>);

impl Read for Program {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Export for Program {
    fn finish(&mut self) -> io::Result<()> {
        self.1.map_or(Ok(()), |said| Err(io::Error::other(said)))
    }
}

#[test]
fn a_program_that_saves_is_believed_when_it_fails() {
    let made = Made::new(1);
    let bytes = docker_by_digest(&made, Packing::Plain, ".tar");
    let spool = tempfile::tempdir().unwrap();
    let save = |bytes: &[u8], end| {
        let program = Program(io::Cursor::new(bytes.to_vec()), end);
        saved::read("app:v1", program, lacks_all, spool.path())
    };
    let source = save(&bytes, None).unwrap();
    assert_eq!(contract::check(&source), made.facts());
    assert!(source.origin().contains("app:v1"));

    for (bytes, end) in [(&b""[..], "no such image"), (&bytes[..9000], "killed"), (&bytes, "late")]
    {
        let error = save(bytes, Some(end)).unwrap_err();
        let SourceError::Save { source, image } = &error else { panic!("{error:?}") };
        assert_eq!((source.to_string().as_str(), image.as_str()), (end, "app:v1"));
    }
    // It wrote nonsense and failed because nobody read on: the nonsense is the reason.
    let error = save(&[1; 4096], Some("broken pipe")).unwrap_err();
    assert!(matches!(error, SourceError::Header { .. }), "{error:?}");
    let error = save(&bytes[..9000], None).unwrap_err();
    assert!(matches!(error, SourceError::Truncated { .. }), "{error:?}");
}

#[test]
fn a_named_pipe_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let status = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(status.success());
    let made = Made::new(1);
    let bytes = docker_by_digest(&made, Packing::Plain, ".tar");
    std::thread::scope(|scope| {
        // What comes after the end of the archive is taken, too: its writer does not fail.
        scope.spawn(|| fs::write(&pipe, [bytes.clone(), vec![0; 500_000]].concat()).unwrap());
        let source = ArchiveSource::open(&pipe, None, lacks_all, folder.path()).unwrap();
        assert_eq!(contract::check(&source), made.facts());
    });
}
