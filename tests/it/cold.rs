//! Pulls of blobs that are not in memory: whole and from any place, by many at once, and without a
//! copy of what the disk has just given.

use std::fs::File;
use std::io::IoSliceMut;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::content::{blob, sha256};
use crate::harness::{PATIENCE, Server, Setup, has_program, left_out};
use crate::repository::Repository;

/// Several windows, the last of them short.
const LENGTH: usize = 13 * 1024 * 1024 + 5;

fn data_file(root: &Path, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("sha256:").unwrap();
    root.join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]))
}

/// Has the system forget the pages of a file. Whether it did: a file system that lies in memory cannot.
fn forget(path: &Path) -> bool {
    let file = File::open(path).unwrap();
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    let mut byte = [0];
    let now = rustix::io::ReadWriteFlags::NOWAIT;
    let read = rustix::io::preadv2(&file, &mut [IoSliceMut::new(&mut byte)], 0, now);
    let is_forgotten = read == Err(rustix::io::Errno::AGAIN);
    if !is_forgotten {
        left_out("pulls from the disk", "the files of tests lie in memory");
    }
    is_forgotten
}

/// The bytes that `sendfile` has handed on, by a trace of its calls.
fn handed_on(trace: &str) -> u64 {
    let calls = trace.lines().filter(|line| line.contains("sendfile"));
    let results = calls.filter_map(|line| line.rsplit_once(" = ")?.1.parse::<u64>().ok());
    results.sum()
}

/// Reads the trace until it is as `wanted`.
fn trace_until(file: &Path, wanted: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let trace = std::fs::read_to_string(file).unwrap();
        if wanted(&trace) {
            return trace;
        }
        assert!(Instant::now() < deadline, "the trace stays like this:\n{trace}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn only_what_the_disk_gave_is_handed_on_by_sendfile() {
    if !has_program("strace", "what is handed on by sendfile") {
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("trace");
    let trace = ["strace", "-D", "-f", "-q", "-e", "trace=sendfile", "-o", file.to_str().unwrap()];
    let server = Setup::new().wrapper(trace).start();
    let bytes = blob("cold", LENGTH);
    let digest = Repository::new(&server, "library/cold").push(&bytes);
    let get = |server: &Server| {
        let get = Repository::new(server, "library/cold").blob(&digest).expect(200);
        assert!(get.body == bytes, "other bytes");
    };
    get(&server);
    let told = std::fs::read_to_string(&file).unwrap();
    assert_eq!(handed_on(&told), 0, "what was just pushed is in memory:\n{told}");

    let mut is_forgotten = false;
    let mut server = server.restart_after(|root| is_forgotten = forget(&data_file(root, &digest)));
    if !is_forgotten {
        return;
    }
    get(&server);
    trace_until(&file, |trace| handed_on(trace) == LENGTH as u64);
    get(&server);
    server.terminate();
    assert_eq!(server.exit_code(), 0);
    let trace = trace_until(&file, |trace| trace.contains("+++ exited with 0 +++"));
    assert_eq!(handed_on(&trace), LENGTH as u64, "by then it was in memory:\n{trace}");
}

#[test]
fn many_at_once_get_their_bytes_from_the_disk() {
    let mut server = Server::start();
    let bytes = blob("crowd", LENGTH);
    let digest = sha256(&bytes);
    Repository::new(&server, "library/cold").push(&bytes);
    let parts = [1..2, 4_000_001..9_000_017, 4_194_303..4_194_305, LENGTH - 4096..LENGTH];
    for round in 0..4 {
        server = server.restart_after(|root| _ = forget(&data_file(root, &digest)));
        let repository = Repository::new(&server, "library/cold");
        std::thread::scope(|scope| {
            for client in 0..6 {
                let (bytes, parts, digest) = (&bytes, &parts, &digest);
                let (server, repository) = (&server, &repository);
                scope.spawn(move || {
                    let part = parts[(client + round) % parts.len()].clone();
                    let range = format!("bytes={}-{}", part.start, part.end - 1);
                    let mut connection = server.connect();
                    let get = repository.blob(digest).header("Range", range.clone());
                    let get = connection.send(&get);
                    assert!(get.status == 206 && get.body == bytes[part], "{range}: other bytes");
                    let get = connection.send(&repository.blob(digest));
                    assert!(get.status == 200 && get.body == *bytes, "other bytes");
                    let several =
                        repository.blob(digest).header("Range", "bytes=7-9,5000000-6000000");
                    let get = connection.send(&several);
                    assert_eq!(get.status, 206);
                    let holds = |part: &[u8]| get.body.windows(part.len()).any(|at| at == part);
                    assert!(holds(&bytes[5_000_000..=6_000_000]), "other bytes");
                });
            }
        });
    }
}

#[test]
fn who_reads_slowly_or_leaves_disturbs_no_other() {
    let server = Server::start();
    let bytes = blob("slow", LENGTH);
    let digest = Repository::new(&server, "library/cold").push(&bytes);
    let server = server.restart_after(|root| _ = forget(&data_file(root, &digest)));
    let repository = Repository::new(&server, "library/cold");
    let request = repository.blob(&digest).to_bytes();
    let mut slow = server.connect();
    slow.write(&request).unwrap();
    let begun = slow.read_some(1000);
    for _ in 0..3 {
        let mut leaving = server.connect();
        leaving.write(&request).unwrap();
        leaving.read_some(1000);
    }
    assert!(repository.blob(&digest).expect(200).body == bytes, "other bytes");
    slow.finish();
    let whole = [begun, slow.rest()].concat();
    assert!(whole.ends_with(&bytes), "the slow one got other bytes");
}
