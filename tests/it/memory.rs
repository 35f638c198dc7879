//! The memory of the server: what crowds of clients can make it take, and that it gives it back.

use crate::content::{blob, sha256};
use crate::harness::{PATIENCE, Server};
use crate::repository::{Repository, with_digest};
use crate::wire::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const NAME: &str = "library/memory";

/// What uploads of large blobs may take together, as docs/SEMANTICS.md says it.
const UPLOADS_KILOBYTES_MAX: usize = 64 * 1024;

/// The memory that the server has for itself alone.
fn private_kilobytes(server: &Server) -> usize {
    private_kilobytes_of(server.pid()).expect("it runs, on Linux")
}

fn private_kilobytes_of(pid: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let private = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    private.trim().trim_end_matches(" kB").parse().ok()
}

#[test]
fn it_stays_small_whatever_a_client_announces() {
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let location = repository.start_upload();
    let mut connections = Vec::new();
    for _ in 0..20 {
        let mut connection = server.connect();
        let target = repository.manifest_path("v1");
        let head = format!("PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n{{");
        connection.write(head.as_bytes()).unwrap();
        connections.push(connection);
    }
    server.get(location).expect(204);
    let kilobytes = private_kilobytes(&server);
    assert!(kilobytes < 64 * 1024, "{kilobytes} kB for requests that sent one byte each");
}

#[test]
fn it_stays_small_whatever_a_crowd_sends_and_does_not_end() {
    const SENDERS: usize = 48;
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    let target = repository.manifest_path("v1");
    let head = format!("PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n");
    let mut almost_all = head.into_bytes();
    almost_all.resize(almost_all.len() + 8_388_607, b' ');
    let (mut stalled, mut refused) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = server.connect();
                    // One that is refused is still listened to, so that it can read the answer.
                    connection.write(&almost_all).unwrap();
                    connection
                })
            })
            .collect();
        // While they send, who pushes an ordinary image has nothing to wait for.
        repository.push_named("meanwhile");
        stalled.extend(senders.into_iter().map(|sender| sender.join().unwrap()));
    });
    let kilobytes = private_kilobytes(&server);
    assert!(kilobytes < 128 * 1024, "{kilobytes} kB for {SENDERS} requests that do not end");
    repository.push_named("afterwards");
    for mut connection in stalled {
        connection.finish();
        let answer = connection.receive("PUT").unwrap();
        refused += usize::from(answer.status == 429);
        if answer.status == 429 {
            assert_eq!(answer.error_code(), "TOOMANYREQUESTS");
            answer.the("Retry-After");
        }
    }
    assert!((1..SENDERS).contains(&refused), "{refused} of {SENDERS} were sent away");
}

/// An upload whose client has sent the head and most of the bytes.
struct Slow {
    connection: Connection,
    left: std::vec::IntoIter<u8>,
}

impl Slow {
    fn begin(repository: &Repository<'_>, bytes: &[u8], now: usize) -> Self {
        let location = with_digest(&repository.start_upload(), &sha256(bytes));
        let request = repository.server.put(location).body(bytes).to_bytes();
        let (now, later) = request.split_at(request.len() - (bytes.len() - now));
        let mut connection = repository.server.connect();
        connection.write(now).unwrap();
        Self { connection, left: Vec::from(later).into_iter() }
    }

    fn end(mut self) {
        self.connection.write(self.left.as_slice()).unwrap();
        assert_eq!(self.connection.receive("PUT").unwrap().status, 201);
    }
}

/// Looks at the memory of a server again and again.
struct Watch {
    over: Arc<AtomicBool>,
    watching: JoinHandle<usize>,
}

impl Watch {
    fn new(server: &Server) -> Self {
        let (pid, over) = (server.pid(), Arc::new(AtomicBool::new(false)));
        let is_over = Arc::clone(&over);
        let watching = std::thread::spawn(move || {
            let mut peak = 0;
            while !is_over.load(Ordering::SeqCst) {
                peak = private_kilobytes_of(pid).map_or(peak, |now| peak.max(now));
                std::thread::sleep(Duration::from_millis(5));
            }
            peak
        });
        Self { over, watching }
    }

    fn peak(self) -> usize {
        self.over.store(true, Ordering::SeqCst);
        self.watching.join().unwrap()
    }
}

#[test]
fn uploads_share_it_and_none_waits_for_a_slow_one() {
    // More of them than there are buffers.
    const SLOW: usize = 160;
    const FAST: usize = 48;
    let server = Server::start();
    let repository = Repository::new(&server, NAME);
    repository.push(&blob("the first", 1 << 20));
    let idle = private_kilobytes(&server);

    let slow_blob = blob("slow", 400_000);
    let fast_blobs: Vec<_> = (0..FAST).map(|n| blob(&format!("fast {n}"), 3 << 20)).collect();
    let pushed = AtomicUsize::new(0);
    let watch = Watch::new(&server);
    std::thread::scope(|scope| {
        let begin = |_| Slow::begin(&repository, &slow_blob, 200_000);
        let mut slow: Vec<_> = (0..SLOW).map(begin).collect();
        for bytes in &fast_blobs {
            scope.spawn(|| {
                repository.push(bytes);
                pushed.fetch_add(1, Ordering::SeqCst);
            });
        }
        // Meanwhile the slow ones send a byte now and then: all that are fast come to their end.
        let deadline = Instant::now() + 2 * PATIENCE;
        while pushed.load(Ordering::SeqCst) < FAST {
            assert!(Instant::now() < deadline, "{pushed:?} of {FAST}");
            for slow in &mut slow {
                let byte = slow.left.next().expect("they are not that slow");
                slow.connection.write(&[byte]).unwrap();
            }
        }
        slow.into_iter().for_each(Slow::end);
    });
    let peak = watch.peak();
    assert!(peak < UPLOADS_KILOBYTES_MAX, "{peak} kB for {} uploads", SLOW + FAST);

    // All have left.
    let deadline = Instant::now() + PATIENCE;
    while private_kilobytes(&server) > idle + 16 * 1024 {
        let held = private_kilobytes(&server);
        assert!(Instant::now() < deadline, "{held} kB are held, of {peak}; {idle} at first");
        std::thread::sleep(Duration::from_millis(50));
    }
}
