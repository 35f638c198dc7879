//! `Files`: the files of one layer, found by their names in its archive. The folder of the last one is
//! kept open, since an archive goes through a tree folder by folder.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::folder::{Folder, inside};

/// A layer's folder, and the folders of the layers below it.
#[derive(Debug)]
pub(crate) struct Files {
    own: Folder,
    last: Option<(Vec<u8>, Folder)>,
    below: Vec<Place>,
}

/// Where the files of a layer are: a path that the user named, and one that leads on from there.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) driver: PathBuf,
    pub(crate) files: String,
}

impl Place {
    /// The folder there.
    pub(crate) fn open(&self) -> io::Result<Folder> {
        Folder::open(&self.driver)?.folder(self.files.as_bytes())
    }
}

impl Files {
    /// The files in `own`; one that is not there is looked for in `below`, in this order: a layer
    /// that began as a copy of another has only what is new.
    pub(crate) fn new(own: Folder, below: Vec<Place>) -> Self {
        Self { own, last: None, below }
    }

    /// The file of this name, and its size in bytes. None if the name leads out of the folder.
    pub(crate) fn open(&mut self, name: &[u8]) -> io::Result<Option<(File, u64)>> {
        let Some(path) = inside(name) else { return Ok(None) };
        let cut = path.iter().rposition(|&byte| byte == b'/');
        let (folder, name) = match cut {
            Some(cut) => (&path[..cut], &path[cut + 1..]),
            None => (&path[..0], &path[..]),
        };
        let missing = match self.open_own(folder, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => error,
            found => return found.map(Some),
        };
        for place in &self.below {
            let found = place.open().and_then(|files| match folder {
                b"" => files.file(name),
                folder => files.folder(folder)?.file(name),
            });
            match found {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => return found.map(Some),
            }
        }
        Err(missing)
    }

    fn open_own(&mut self, folder: &[u8], name: &[u8]) -> io::Result<(File, u64)> {
        if folder.is_empty() {
            return self.own.file(name);
        }
        match &self.last {
            Some((path, open)) if path == folder => open.file(name),
            _ => {
                let open = self.own.folder(folder)?;
                let (_, open) = self.last.insert((folder.to_vec(), open));
                open.file(name)
            }
        }
    }
}
