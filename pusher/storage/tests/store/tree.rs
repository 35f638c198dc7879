//! A tree of files with everything that an archive can have trouble with.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, XattrFlags, makedev, mknodat, setxattr};

/// Makes the tree in `folder`.
pub(crate) fn make(folder: &Path) {
    contents(folder);
    names(folder);
    kinds(folder);
}

/// Files of all sizes around the blocks of an archive and the steps of a reader.
fn contents(folder: &Path) {
    fs::create_dir_all(folder.join("sizes")).unwrap();
    for size in [0, 1, 511, 512, 513, 4096, 65_536, 1 << 20, (1 << 20) + 1] {
        let content: Vec<u8> = (0..size).map(|at: u32| (at % 251) as u8).collect();
        fs::write(folder.join(format!("sizes/{size}")), content).unwrap();
    }
    let sparse = fs::File::create(folder.join("sizes/sparse")).unwrap();
    sparse.set_len(3 << 20).unwrap();
    fs::create_dir_all(folder.join("many")).unwrap();
    for number in 0..300 {
        fs::write(folder.join(format!("many/{number}")), format!("file {number}\n")).unwrap();
    }
}

fn names(folder: &Path) {
    fs::write(folder.join("n".repeat(150)), "long name").unwrap();
    let deep = ["d".repeat(120), "e".repeat(120), "f".repeat(120)].join("/");
    fs::create_dir_all(folder.join(&deep)).unwrap();
    fs::write(folder.join(&deep).join("deep"), "long path").unwrap();
    for name in
        [&b"not utf-8 \xff\xfe"[..], b"line\nbreak", b"back\\slash \"<&>", "grüße".as_bytes()]
    {
        let name = OsStr::from_bytes(name);
        fs::create_dir_all(folder.join("names").join(name)).unwrap();
        fs::write(folder.join("names").join(name).join(name), name.as_bytes()).unwrap();
    }
}

fn kinds(folder: &Path) {
    let path = |name: &str| folder.join("kinds").join(name);
    fs::create_dir_all(path("linked")).unwrap();
    fs::write(path("original"), "one content, several names").unwrap();
    fs::hard_link(path("original"), path("linked/twin")).unwrap();
    symlink("original", path("link")).unwrap();
    symlink("/etc/shadow", path("link out")).unwrap();
    symlink("linked", path("link to a folder")).unwrap();
    fs::write(path("setuid"), "#!/bin/true").unwrap();
    chown(path("setuid"), Some(1234), Some(5678)).unwrap();
    fs::set_permissions(path("setuid"), Permissions::from_mode(0o6755)).unwrap();
    fs::write(path("secret"), "for nobody").unwrap();
    fs::set_permissions(path("secret"), Permissions::from_mode(0o000)).unwrap();
    fs::write(path("attributes"), "with attributes").unwrap();
    setxattr(path("attributes"), "user.wharf", b"a value", XattrFlags::empty()).unwrap();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    setxattr(path("attributes"), "security.capability", &capability, XattrFlags::empty()).unwrap();
    let mode = Mode::from_raw_mode(0o644);
    for (name, kind, device) in
        [("device", FileType::CharacterDevice, makedev(1, 3)), ("pipe", FileType::Fifo, 0)]
    {
        mknodat(CWD, path(name), kind, mode, device).unwrap();
    }
}

/// Removes some of the tree, so that a layer over it has to say what is gone.
pub(crate) fn change(folder: &Path) {
    fs::remove_file(folder.join("kinds/secret")).unwrap();
    fs::remove_file(folder.join("many/0")).unwrap();
    // A folder that takes the place of another hides all that was in it.
    fs::remove_dir_all(folder.join("names")).unwrap();
    fs::create_dir(folder.join("names")).unwrap();
    fs::write(folder.join("names/new"), "new").unwrap();
    fs::write(folder.join("kinds/original"), "another content").unwrap();
    fs::remove_dir_all(folder.join("sizes")).unwrap();
    symlink("many", folder.join("sizes")).unwrap();
}
