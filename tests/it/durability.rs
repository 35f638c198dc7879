//! What was acknowledged stays, whatever happens: SIGKILL, a full disk, damaged files, many clients
//! at once. What the store looks like is read with the eyes of registry:2, whose layout it is.

use crate::content::{Algorithm, blob, image, sha256, sha512};
use crate::harness::{Server, Setup, has_program, left_out};
use crate::repository::{Push, Repository, with_digest};
use std::path::{Path, PathBuf};

const NAME: &str = "library/durable";

/// All files below `root` in the layout of registry:2, with their sizes, in order.
pub(crate) fn files(root: &Path) -> Vec<(PathBuf, u64)> {
    let mut files = Vec::new();
    let mut folders = vec![root.join("docker")];
    while let Some(folder) = folders.pop() {
        // A folder or file may go while it is looked at.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => files.push((entry.path(), metadata.len())),
                Err(_) => {}
            }
        }
    }
    files.sort();
    files
}

/// Where the bytes of a blob or manifest lie.
fn data(root: &Path, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("sha256:").unwrap();
    root.join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]))
}

/// A file of the repository.
fn link(root: &Path, path: &str) -> PathBuf {
    root.join("docker/registry/v2/repositories").join(NAME).join(path)
}

#[test]
fn everything_survives_a_sigkill() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let images: Vec<_> = (0..10).map(|i| image(Algorithm::Sha256, &format!("v{i}"))).collect();
    for (i, (blobs, manifest)) in images.iter().enumerate() {
        repository.push_image(&format!("v{i}"), blobs, manifest);
    }
    let bytes = blob("sha512", 10_000);
    repository.push_as(Push::SinglePost, &bytes, &sha512(&bytes)).expect("push", 201);

    let server = server.restart();
    let repository = Repository::new(&server, NAME);
    assert_eq!(repository.tags().len(), 10);
    for (i, (blobs, manifest)) in images.iter().enumerate() {
        let get = repository.manifest(&format!("v{i}")).expect(200);
        assert_eq!(get.body, manifest.bytes);
        for bytes in blobs {
            assert_eq!(repository.blob(&sha256(bytes)).expect(200).body, *bytes);
        }
    }
    assert_eq!(repository.blob(&sha512(&bytes)).expect(200).body, bytes);
}

#[test]
fn an_upload_goes_on_after_a_sigkill() {
    let server = Server::start();
    let bytes = blob("goes on", 3_000_000);
    let location = Repository::new(&server, NAME).start_upload();
    Repository::new(&server, NAME).patch(&location, 0, &bytes[..1_000_000]).expect(202);
    let server = server.restart();
    let repository = Repository::new(&server, NAME);
    let status = server.get(location.as_str()).expect(204);
    assert_eq!(status.the("Range"), "0-999999");
    repository.patch(&status.location(), 1_000_000, &bytes[1_000_000..2_000_000]).expect(202);
    let server = server.restart();
    let repository = Repository::new(&server, NAME);
    let close = repository.close(&location, &sha256(&bytes)).body(&bytes[2_000_000..]);
    close.header("Content-Range", "2000000-2999999").expect(201);
    assert!(repository.blob(&sha256(&bytes)).expect(200).body == bytes, "other bytes");
}

#[test]
fn a_chunk_cut_by_a_sigkill_goes_on_where_it_ended() {
    let server = Server::start();
    let bytes = blob("cut", 4_000_000);
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    let request = repository.patch(&location, 0, &bytes).to_bytes();
    let mut connection = server.connect();
    connection.write(&request[..request.len() - 1_500_000]).unwrap();
    crate::chunked_upload::wait_for_bytes(&server, &location);
    let server = server.restart();
    let repository = Repository::new(&server, NAME);
    let held =
        crate::chunked_upload::offset(server.get(location.as_str()).expect(204).the("Range"));
    assert!(held <= bytes.len() - 1_500_000, "more than was sent: {held}");
    crate::chunked_upload::resume(&repository, &location, &bytes);
}

#[test]
fn pushes_of_one_blob_at_once_all_succeed_and_keep_one_copy() {
    let server = Server::start();
    let bytes = blob("at once", 3_000_017);
    let digest = sha256(&bytes);
    std::thread::scope(|scope| {
        for i in 0..12 {
            let (server, bytes, digest) = (&server, &bytes, &digest);
            scope.spawn(move || {
                let name = format!("library/at-once-{}", i % 3);
                let repository = Repository::new(server, &name);
                let push = Push::ALL[i % Push::ALL.len()];
                repository.push_as(push, bytes, digest).expect("push", 201);
                assert!(repository.blob(digest).expect(200).body == *bytes, "other bytes");
            });
        }
    });
    let all = files(server.root());
    let copies: Vec<_> = all.iter().filter(|(_, size)| *size == 3_000_017).collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert!(!all.iter().any(|(path, _)| path.to_string_lossy().contains("_uploads")), "{all:?}");
}

#[test]
fn a_tag_that_moves_is_always_somewhere() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let images = ["here", "there"].map(|name| image(Algorithm::Sha256, name));
    for (blobs, manifest) in &images {
        repository.push_image("moving", blobs, manifest);
    }
    let known = images.each_ref().map(|(_, manifest)| manifest.bytes.clone());
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..100 {
                repository.put("moving", &images[i % 2].1).expect(201);
            }
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                let get = repository.manifest("moving").expect(200);
                assert!(known.contains(&get.body), "neither: {get}");
                assert_eq!(get.the("Docker-Content-Digest"), sha256(&get.body));
            }
        });
    });
    assert_eq!(repository.manifest("moving").expect(200).body, known[1]);
}

/// Clients that push, move, delete and read the same few things, each at its own pace.
#[test]
fn clients_that_get_in_each_others_way_break_nothing() {
    let server = Server::start();
    let images: Vec<_> =
        (0..3).map(|i| image(Algorithm::Sha256, &format!("contended {i}"))).collect();
    std::thread::scope(|scope| {
        for client in 0..6_usize {
            let (server, images) = (&server, &images);
            scope.spawn(move || {
                let repository = Repository::new(server, NAME);
                let uploads = repository.uploads_path();
                for step in 0..30 {
                    let (blobs, manifest) = &images[(client + step) % images.len()];
                    let tag = ["a", "b"][step % 2];
                    let layer = sha256(&blobs[1]);
                    let response = match (client * 7 + step * 5) % 9 {
                        0 | 1 => repository.push_as(Push::ALL[step % 5], &blobs[1], &layer),
                        2 | 3 => {
                            drop(blobs.iter().map(|b| repository.push(b)).collect::<Vec<_>>());
                            repository.put(tag, manifest).send()
                        }
                        4 => server.delete(repository.manifest_path(tag)).send(),
                        5 => server.delete(repository.manifest_path(&manifest.digest())).send(),
                        6 => server.delete(repository.blob_path(&layer)).send(),
                        7 => server.post(format!("{uploads}?mount={layer}")).send(),
                        _ => server.get(repository.tags_path()).send(),
                    };
                    assert!(response.status < 500 && response.status != 409, "{response}");
                    let get = repository.manifest(tag).send();
                    let is_one = images.iter().any(|(_, manifest)| manifest.bytes == get.body);
                    assert!(get.status == 404 || is_one, "{get}");
                    let get = repository.blob(&layer).send();
                    assert!(get.status == 404 || get.body == blobs[1], "{get}");
                }
            });
        }
    });
    let check = |server: &Server| {
        let repository = Repository::new(server, NAME);
        let tags = server.get(repository.tags_path()).send();
        let tags = if tags.status == 404 { vec![] } else { repository.tags() };
        for tag in &tags {
            let get = repository.manifest(tag).expect(200);
            repository.manifest_head(get.the("Docker-Content-Digest")).expect(200);
        }
        tags
    };
    let before = check(&server);
    let server = server.restart();
    assert_eq!(check(&server), before);
    // And whatever they left, it can be pushed.
    let (blobs, manifest) = &images[0];
    Repository::new(&server, NAME).push_image("a", blobs, manifest);
}

#[test]
fn a_blob_is_not_seen_before_it_is_whole() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let bytes = blob("not before", 6_000_000);
    let digest = sha256(&bytes);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            repository.push(&bytes);
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            let get = repository.blob(&digest).send();
            assert!(get.status == 404 || get.body == bytes, "{} bytes", get.body.len());
        }
    });
    repository.blob_head(&digest).expect(200);
}

#[test]
fn a_damaged_blob_reads_as_absent_and_heals() {
    let (blobs, manifest) = image(Algorithm::Sha256, "damaged");
    let digest = sha256(&blobs[1]);
    let server = Server::start();
    Repository::new(&server, NAME).push_image("v1", &blobs, &manifest);
    // What a crash of another program, or a full disk under it, may leave.
    let damages: [&dyn Fn(&Path); 2] =
        [&|path| std::fs::write(path, b"").unwrap(), &|path| std::fs::remove_file(path).unwrap()];
    let mut server = server;
    for damage in damages {
        server = server.restart_after(|root| damage(&data(root, &digest)));
        let repository = Repository::new(&server, NAME);
        repository.blob_head(&digest).expect(404);
        repository.blob(&digest).refused(404, "BLOB_UNKNOWN");
        repository.put("v1", &manifest).refused(400, "MANIFEST_BLOB_UNKNOWN");
        let mount = format!("{}?mount={digest}&from={NAME}", repository.uploads_path());
        server.post(mount.replace(NAME, "library/other")).expect(202);
        repository.push(&blobs[1]);
        assert_eq!(repository.blob(&digest).expect(200).body, blobs[1]);
        repository.put("v1", &manifest).expect(201);
    }
}

#[test]
fn a_blob_of_another_size_is_missed_by_its_manifest_and_heals() {
    let (blobs, manifest) = image(Algorithm::Sha256, "shortened");
    let digest = sha256(&blobs[1]);
    let server = Server::start();
    Repository::new(&server, NAME).push_image("v1", &blobs, &manifest);
    let server =
        server.restart_after(|root| std::fs::write(data(root, &digest), b"short").unwrap());
    let repository = Repository::new(&server, NAME);
    repository.put("v1", &manifest).refused(400, "MANIFEST_BLOB_UNKNOWN");
    repository.push(&blobs[1]);
    assert_eq!(repository.blob(&digest).expect(200).body, blobs[1]);
}

#[test]
fn a_push_replaces_bytes_that_rotted() {
    let bytes = blob("rotten", 5000);
    let digest = sha256(&bytes);
    let server = Server::start();
    Repository::new(&server, NAME).push(&bytes);
    let server = server.restart_after(|root| {
        std::fs::write(data(root, &digest), vec![0; 5000]).unwrap();
    });
    let repository = Repository::new(&server, NAME);
    repository.push(&bytes);
    assert_eq!(repository.blob(&digest).expect(200).body, bytes);
}

#[test]
fn links_that_say_nothing_read_as_absent() {
    let (blobs, manifest) = image(Algorithm::Sha256, "links");
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let wrong = ["emptied", "dangling", "nonsense", "cut", "long", "bytes"];
    for tag in wrong.iter().chain(&["kept", "spaced"]) {
        repository.push_image(tag, &blobs, &manifest);
    }
    let layer = sha256(&blobs[1]).replace(':', "/");
    let server = server.restart_after(|root| {
        let write = |path: &str, text: &[u8]| std::fs::write(link(root, path), text).unwrap();
        let digest = sha256(&manifest.bytes);
        write("_manifests/tags/spaced/current/link", format!("{digest}\n").as_bytes());
        write("_manifests/tags/cut/current/link", &digest.as_bytes()[..40]);
        write("_manifests/tags/long/current/link", digest.repeat(9).as_bytes());
        write("_manifests/tags/bytes/current/link", &[0xFF; 71]);
        write("_manifests/tags/emptied/current/link", b"");
        write("_manifests/tags/dangling/current/link", sha256(b"nowhere").as_bytes());
        write("_manifests/tags/nonsense/current/link", b"../../../../etc/passwd");
        write(&format!("_layers/{layer}/link"), b"");
    });
    let repository = Repository::new(&server, NAME);
    assert_eq!(repository.tags(), ["kept", "spaced"]);
    for tag in wrong {
        repository.manifest(tag).refused(404, "MANIFEST_UNKNOWN");
        repository.manifest_head(tag).expect(404);
    }
    repository.blob(&sha256(&blobs[1])).refused(404, "BLOB_UNKNOWN");
    repository.push_image("emptied", &blobs, &manifest);
    assert_eq!(repository.tags(), ["emptied", "kept", "spaced"]);
}

#[test]
fn sessions_that_ended_leave_nothing_behind() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    for number in 0..40 {
        repository.push(format!("blob {number}").as_bytes());
    }
    let uploads = format!("docker/registry/v2/repositories/{NAME}/_uploads");
    let entries = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    assert_eq!(entries(&server.root().join(uploads)), 0, "sessions");
    let staging = server.root().join("wharf/staging");
    assert!(entries(&staging) > 0, "none of their folders was kept for the next ones");
    let server = server.restart();
    assert_eq!(entries(&server.root().join("wharf/staging")), 0, "kept over a restart");
}

/// A server that runs `mounts` first, in a mount namespace of its own; its root is in `$root`.
fn with_mounts(what: &str, mounts: &str) -> Option<Setup> {
    if !has_program("unshare", what) {
        return None;
    }
    let can_mount = std::process::Command::new("unshare")
        .args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .output();
    if !can_mount.is_ok_and(|output| output.status.success()) {
        left_out(what, "mounting is not allowed here");
        return None;
    }
    let script = format!("for root; do :; done; {mounts} && exec \"$@\"");
    Some(Setup::new().wrapper(["unshare", "--mount", "sh", "-c", &script, "sh"]))
}

/// A server whose store is a file system of `size` in its memory, which goes with it.
fn on_a_small_disk(size: &str) -> Option<Server> {
    let mounts = format!("mount -t tmpfs -o size={size} tmpfs \"$root\"");
    with_mounts("a full disk", &mounts).map(Setup::start)
}

#[test]
fn a_volume_of_two_mounts_is_refused_at_the_start() {
    for folder in ["docker", "docker/registry/v2/blobs"] {
        // A bind: the same file system, and yet nothing can be renamed into it.
        let mounts = format!(
            "mkdir -p \"$root/{folder}\" && mount --bind \"$root/{folder}\" \"$root/{folder}\""
        );
        let Some(setup) = with_mounts("a divided volume", &mounts) else { return };
        let root = tempfile::TempDir::new().unwrap();
        let (code, said) = setup.refused(root.path());
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("is a mount of its own"), "{said}");
        assert!(said.contains("mount one volume at the root"), "{said}");
    }
}

#[test]
fn a_disk_that_would_be_filled_is_a_507_and_nothing_is_lost() {
    let Some(server) = on_a_small_disk("96m") else { return };
    let repository = Repository::new(&server, NAME);
    let digest = repository.push_named("v1");
    let kept = blob("kept", 10_000_000);
    repository.push(&kept);

    // The announced length alone tells: no byte of the body is awaited.
    let location = repository.start_upload();
    let mut connection = server.connect();
    let target = with_digest(&location, &sha256(b"large"));
    let head = format!("PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 500000000\r\n\r\n");
    connection.write(head.as_bytes()).unwrap();
    let refused = connection.receive("PUT").unwrap().expect("announced", 507);
    assert_eq!(refused.error_code(), "INSUFFICIENT_STORAGE");

    // Not announced: it is noticed on the way.
    let bytes = blob("stream", 120_000_000);
    let location = repository.start_upload();
    server.patch(location.as_str()).chunked(bytes.as_slice()).refused(507, "INSUFFICIENT_STORAGE");
    assert_eq!(repository.blob(&sha256(&kept)).expect(200).body.len(), kept.len());
    repository.manifest("v1").expect(200);
    repository.manifest(&digest).expect(200);

    // The session is gone, and does not stay in the way.
    server.get(location).refused(404, "BLOB_UPLOAD_UNKNOWN");
    let small = blob("small", 1_000_000);
    repository.push(&small);
    assert!(repository.blob(&sha256(&small)).expect(200).body == small, "other bytes");
}

#[test]
fn many_pushes_onto_a_full_disk_lose_nothing() {
    let Some(server) = on_a_small_disk("64m") else { return };
    let repository = Repository::new(&server, NAME);
    let blobs: Vec<_> = (0..12).map(|i| blob(&format!("filler {i}"), 9_000_000)).collect();
    let stored: Vec<_> = blobs
        .iter()
        .filter(|bytes| {
            let pushed = repository.push_as(Push::PostPut, bytes, &sha256(bytes));
            assert!(matches!(pushed.status, 201 | 507), "{pushed}");
            pushed.status == 201
        })
        .collect();
    assert!(!stored.is_empty() && stored.len() < blobs.len(), "{} stored", stored.len());
    for bytes in &blobs {
        let get = repository.blob(&sha256(bytes)).send();
        match stored.contains(&bytes) {
            true => assert!(get.status == 200 && get.body == *bytes, "lost"),
            false => assert_eq!(get.status, 404),
        }
    }
}
