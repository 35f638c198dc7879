//! The lock under which Podman writes its lists: waited for, but not for ever.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::forged::Forged;

/// A record lock for writing, as Podman takes it, until it is dropped.
struct Writer(File);

impl Writer {
    fn take(path: &Path) -> Self {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.unwrap();
        let whole = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        fcntl(&file, FcntlArg::F_OFD_SETLK(&whole)).unwrap();
        Self(file)
    }
}

/// Waits until somebody else than `writer` in this process has `path` open.
fn wait_until_opened(path: &Path, writer: &Writer) {
    use std::os::fd::AsRawFd;
    let own = writer.0.as_raw_fd().to_string();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut open = fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
        if open
            .any(|fd| fd.file_name() != *own && fs::read_link(fd.path()).is_ok_and(|to| to == path))
        {
            return;
        }
        assert!(Instant::now() < deadline, "nobody asks for the lock");
        thread::yield_now();
    }
}

#[test]
fn a_writer_is_waited_for() {
    let forged = Arc::new(Forged::new(&[("file", b"content")]));
    let list = forged.root().join("overlay-images/images.json");
    let lock = forged.root().join("overlay-images/images.lock");
    let whole = fs::read(&list).unwrap();
    let writer = Writer::take(&lock);
    fs::write(&list, &whole[..whole.len() / 2]).unwrap();
    let reader = {
        let forged = Arc::clone(&forged);
        thread::spawn(move || forged.store().images())
    };
    wait_until_opened(&lock, &writer);
    fs::write(&list, whole).unwrap();
    drop(writer);
    assert_eq!(reader.join().unwrap().unwrap().len(), 1);
}

#[test]
fn a_writer_that_does_not_end_is_not() {
    let forged = Forged::new(&[("file", b"content")]);
    let lock = forged.root().join("overlay-images/images.lock");
    let writer = Writer::take(&lock);
    assert_eq!(forged.store().images().unwrap().len(), 1);
    drop(writer);
}

#[test]
fn the_lock_is_held_only_while_a_list_is_read() {
    let forged = Forged::new(&[("file", b"content")]);
    for name in ["overlay-images/images.lock", "overlay-layers/layers.lock"] {
        fs::write(forged.root().join(name), "").unwrap();
    }
    let store = forged.store();
    let image = crate::image(&store, "localhost/forged:v1");
    let _reader = store.open_layer(&image.layers[0]).unwrap();
    for name in ["overlay-images/images.lock", "overlay-layers/layers.lock"] {
        drop(Writer::take(&forged.root().join(name)));
    }
}
