//! `Folder`: an open folder, below which files are found without ever leaving it, whatever their names
//! and the links on the way say. Only regular files are opened: neither a pipe, which would wait, nor
//! a device, which would act.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;

/// A folder that is only gone through needs no right to list it.
#[cfg(target_os = "linux")]
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

impl Folder {
    /// The folder at a path that the user named; its links are followed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(openat(CWD, path, FOLDER, Mode::empty())?))
    }

    /// A folder below this one, by a path as [`inside`] gives it.
    pub(crate) fn folder(&self, path: &[u8]) -> io::Result<Self> {
        Ok(Self(beneath(self.0.as_fd(), path)?))
    }

    /// A regular file in this folder, and its size in bytes.
    pub(crate) fn file(&self, name: &[u8]) -> io::Result<(File, u64)> {
        let before = statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        regular(&before)?;
        let file = openat(&self.0, name, FILE, Mode::empty())?;
        let stat = fstat(&file)?;
        regular(&stat)?;
        let size = u64::try_from(stat.st_size).map_err(io::Error::other)?;
        Ok((File::from(file), size))
    }

    /// Whether anything of this name is in the folder.
    pub(crate) fn holds(&self, name: &[u8]) -> bool {
        statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }
}

fn regular(stat: &rustix::fs::Stat) -> io::Result<()> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file")),
    }
}

/// A name out of an archive as a path inside of a folder: relative, without `.`, `..` and empty parts.
/// None if it leads out of the folder, or is the folder.
pub(crate) fn inside(name: &[u8]) -> Option<Cow<'_, [u8]>> {
    let is_plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
    let short = name.strip_prefix(b"./").unwrap_or(name);
    if short.split(|&byte| byte == b'/').all(is_plain) {
        return Some(Cow::Borrowed(short));
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| Cow::Owned(parts.join(&b'/')))
}

#[cfg(target_os = "linux")]
fn beneath(folder: rustix::fd::BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    use rustix::fs::{ResolveFlags, openat2};

    /// How often a walk through links is tried while folders are being moved elsewhere.
    const ATTEMPTS_MAX: usize = 64;

    let strict = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(folder, path, FOLDER, Mode::empty(), strict) {
        // Some archives put a file below a link to a folder, `lib/x` after `lib -> usr/lib`. It was
        // unpacked with the layer as its root, and is looked for in the same way.
        Err(Errno::LOOP) => {
            let rooted = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            let walk = || openat2(folder, path, FOLDER, Mode::empty(), rooted);
            let mut found = walk();
            for _ in 1..ATTEMPTS_MAX {
                match found {
                    Err(Errno::AGAIN) => found = walk(),
                    found => return found,
                }
            }
            found
        }
        // A kernel before 5.6, or a container's filter that does not know the call.
        Err(Errno::NOSYS | Errno::PERM) => step_by_step(folder, path),
        found => found,
    }
}

#[cfg(not(target_os = "linux"))]
fn beneath(folder: rustix::fd::BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    step_by_step(folder, path)
}

/// Follows no link at all, one part of the path at a time.
fn step_by_step(folder: rustix::fd::BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = FOLDER | OFlags::NOFOLLOW;
    let mut parts = path.split(|&byte| byte == b'/');
    let first = parts.next().unwrap_or_default();
    let mut found = step(folder, first, flags)?;
    for part in parts {
        found = step(found.as_fd(), part, flags)?;
    }
    Ok(found)
}

fn step(
    folder: rustix::fd::BorrowedFd<'_>,
    part: &[u8],
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    match part {
        b"" | b"." | b".." => Err(Errno::XDEV),
        part => openat(folder, part, flags, Mode::empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    #[test]
    fn names_stay_inside_or_are_none() {
        let table: &[(&str, Option<&str>)] = &[
            ("etc/passwd", Some("etc/passwd")),
            ("./etc/passwd", Some("etc/passwd")),
            ("/etc/passwd", Some("etc/passwd")),
            ("//etc/./x/../passwd", Some("etc/passwd")),
            ("..x/.y", Some("..x/.y")),
            ("../etc/passwd", None),
            ("a/../../etc/passwd", None),
            ("..", None),
            (".", None),
            ("./", None),
            ("", None),
            ("/", None),
        ];
        for (name, expected) in table {
            assert_eq!(inside(name.as_bytes()).as_deref(), expected.map(str::as_bytes), "{name}");
        }
    }

    /// `outside/secret`, and `in/` with `a/file` and links of every kind.
    fn folders() -> tempfile::TempDir {
        let top = tempfile::tempdir().unwrap();
        let inner = top.path().join("in");
        fs::create_dir_all(inner.join("a/b")).unwrap();
        fs::create_dir_all(top.path().join("outside")).unwrap();
        fs::write(top.path().join("outside/secret"), "secret").unwrap();
        fs::write(inner.join("a/file"), "inner").unwrap();
        fs::write(inner.join("a/b/file"), "deep").unwrap();
        symlink("../outside", inner.join("up")).unwrap();
        symlink(top.path().join("outside"), inner.join("absolute")).unwrap();
        symlink("a", inner.join("sideways")).unwrap();
        symlink("/a", inner.join("rooted")).unwrap();
        symlink("../../outside/secret", inner.join("a/last")).unwrap();
        top
    }

    #[test]
    fn no_way_leads_out() {
        let top = folders();
        let folder = Folder::open(&top.path().join("in")).unwrap();
        for path in ["up", "absolute", "../outside", "/etc", "a/../../outside"] {
            let found = folder.folder(path.as_bytes()).and_then(|found| found.file(b"secret"));
            assert!(found.is_err(), "{path}");
            assert!(step_by_step(folder.0.as_fd(), path.as_bytes()).is_err(), "{path}");
        }
        assert!(folder.folder(b"a").unwrap().file(b"last").is_err());
        assert!(folder.file(b"a").is_err(), "a folder is no file");
        let null = Folder::open(Path::new("/dev")).unwrap().file(b"null");
        assert!(null.is_err(), "a device is no file");
    }

    #[test]
    fn ways_inside_are_found() {
        let top = folders();
        let folder = Folder::open(&top.path().join("in")).unwrap();
        let mut ways = vec![("a/b", "deep"), ("a", "inner")];
        if cfg!(target_os = "linux") {
            ways.extend([("sideways", "inner"), ("rooted/b", "deep")]);
        }
        for (path, content) in ways {
            let mut text = String::new();
            let (mut file, size) = folder.folder(path.as_bytes()).unwrap().file(b"file").unwrap();
            file.read_to_string(&mut text).unwrap();
            assert_eq!((text.as_str(), size), (content, content.len() as u64), "{path}");
        }
        assert!(step_by_step(folder.0.as_fd(), b"a/b").is_ok());
        assert!(step_by_step(folder.0.as_fd(), b"sideways").is_err());
    }
}
