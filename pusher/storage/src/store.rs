//! `Store`: the images and layers of a location. It keeps what it has read and reads again what
//! Podman has changed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use wharf_oci::{Digest, Hasher, Manifest, ManifestKind};

use crate::error::Error;
use crate::files::{Files, Place};
use crate::folder::Folder;
use crate::image::{ConfigLayers, ImageEntry, ImageRecord, MANIFEST, StoredImage, file_of};
use crate::index::{Index, Listed, read_all};
use crate::layer::{LayerEntry, StoredLayer};
use crate::location::{Driver, Location};
use crate::name;
use crate::reader::LayerReader;

/// Longest manifest or config that is read.
const BLOB_BYTES_MAX: u64 = 32 << 20;
/// Most layers of one image; overlayfs has room for 500.
const LAYERS_MAX: usize = 1024;

/// The image store of one user, read in place. Every method blocks, for some milliseconds as a rule,
/// for about two seconds if a program that writes the store holds it locked.
#[derive(Debug)]
pub struct Store {
    location: Location,
    /// The location's stores, those that are looked into first first.
    roots: Vec<Root>,
}

/// One folder with images and layers.
#[derive(Debug)]
struct Root {
    path: PathBuf,
    driver: Driver,
    images: Index<ImageEntry>,
    layers: Index<LayerEntry>,
}

impl Store {
    /// The store at `location`. Its lists are read when they are first asked for.
    ///
    /// # Errors
    /// [`Error::Absent`] if there is none, [`Error::Unreadable`] if it is another user's.
    pub fn open(location: Location) -> Result<Self, Error> {
        let main = [location.image_store.as_ref(), Some(&location.graph_root)];
        let paths = main.into_iter().flatten().chain(&location.additional);
        let roots: Vec<_> = paths.map(|path| Root::new(path, location.driver)).collect();
        let mut exists = false;
        for root in &roots {
            exists |= root.exists()?;
        }
        match exists {
            true => Ok(Self { location, roots }),
            false => Err(Error::Absent { path: location.graph_root }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Every image, in the order of the store's own list, then those of additional stores.
    ///
    /// # Errors
    /// A list cannot be read.
    pub fn images(&self) -> Result<Vec<ImageRecord>, Error> {
        let mut images = Vec::new();
        for (at, root) in self.roots.iter().enumerate() {
            let listed = root.images.read()?;
            images.extend(listed.entries.iter().filter_map(|entry| entry.record(at)));
        }
        Ok(images)
    }

    /// The image that a person means by `name`: a name in full or in part, with a tag, a digest or
    /// neither (then the tag is `latest`), or an id, or the beginning of one.
    ///
    /// # Errors
    /// [`Error::ImageUnknown`], [`Error::Ambiguous`], or a list cannot be read.
    pub fn find(&self, name: &str) -> Result<ImageRecord, Error> {
        name::find(&self.images()?, name)
    }

    /// The image with this id: for all but lists, the digest of the config.
    ///
    /// # Errors
    /// [`Error::ImageUnknown`], or a list cannot be read.
    pub fn by_id(&self, id: &Digest) -> Result<ImageRecord, Error> {
        name::by_id(&self.images()?, id).ok_or_else(|| unknown(id))
    }

    /// The image that has a manifest of this digest, like the children of an index.
    /// [`Store::image`] then gives this very manifest.
    ///
    /// # Errors
    /// [`Error::ImageUnknown`], or a list cannot be read.
    pub fn by_manifest(&self, digest: &Digest) -> Result<ImageRecord, Error> {
        name::by_manifest(&self.images()?, digest).ok_or_else(|| unknown(digest))
    }

    /// The manifest, the config and the layers of an image. A manifest that was asked for by its
    /// digest is checked against it, the config against the manifest.
    ///
    /// # Errors
    /// Something of it is missing or damaged.
    pub fn image(&self, record: &ImageRecord) -> Result<StoredImage, Error> {
        let record = record.clone();
        let manifest = self.manifest(&record)?;
        if manifest.kind() == ManifestKind::Index {
            return Ok(StoredImage { record, manifest, config: None, layers: Vec::new() });
        }
        let config = match manifest.config() {
            Some(descriptor) => Some(self.blob(&record, "config", &descriptor.digest)?),
            None => None,
        };
        let layers = self.layers(&record, &manifest, config.as_deref().unwrap_or_default())?;
        Ok(StoredImage { record, manifest, config, layers })
    }

    /// The uncompressed tar archive of a layer. May be called several times, from several threads.
    ///
    /// # Errors
    /// [`Error::NoTarSplit`] and [`Error::Composefs`] if it cannot be made again from here, and others
    /// if the layer is gone. What happens later comes from the reader, as an [`std::io::Error`] with a
    /// [`LayerError`](crate::LayerError) inside.
    pub fn open_layer(&self, layer: &StoredLayer) -> Result<LayerReader, Error> {
        let id = layer.id();
        let mut own = None;
        for root in &self.roots {
            match root.place(id).open() {
                Ok(folder) => {
                    own = Some((root, folder));
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::reading(&root.driver_folder().join(id), source)),
            }
        }
        let (root, own) = own.ok_or_else(|| Error::LayerMissing { layer: id.to_owned() })?;
        if root.is_composefs(id) {
            return Err(Error::Composefs { layer: id.to_owned() });
        }
        let name = format!("{id}.tar-split.gz");
        let record = self.roots.iter().find_map(|root| root.layer_file(&name).transpose());
        let record = record.ok_or_else(|| Error::NoTarSplit { layer: id.to_owned() })??;
        let below = layer.below().flat_map(|id| self.roots.iter().map(|root| root.place(id)));
        let files = Files::new(own, below.collect());
        Ok(LayerReader::new(id, record, files, layer.size))
    }

    /// The manifest that was asked for, else the image's own.
    fn manifest(&self, record: &ImageRecord) -> Result<Manifest, Error> {
        let parsed = |bytes: Vec<u8>| {
            Manifest::from_stored(Bytes::from(bytes)).map_err(|source| Error::ManifestMalformed {
                image: record.id,
                source: Box::new(source),
            })
        };
        if let Some(asked) = &record.asked {
            let bytes = self.file(record, &format!("{MANIFEST}-{asked}"))?;
            if let Some(bytes) = bytes.filter(|bytes| digest_like(asked, bytes) == *asked) {
                let manifest = parsed(bytes)?;
                // An image that came out of an index keeps the index too, but not its other images.
                if manifest.kind() == ManifestKind::Image || record.layer.is_none() {
                    return Ok(manifest);
                }
            }
        }
        let own = match self.file(record, MANIFEST)? {
            Some(bytes) => Some(bytes),
            None => match record.digests.first() {
                Some(digest) => self.file(record, &format!("{MANIFEST}-{digest}"))?,
                None => None,
            },
        };
        parsed(own.ok_or(Error::Incomplete { image: record.id, lack: MANIFEST })?)
    }

    /// What the store keeps for the image under a digest, checked against it.
    fn blob(
        &self,
        record: &ImageRecord,
        what: &'static str,
        digest: &Digest,
    ) -> Result<Bytes, Error> {
        let bytes = self.file(record, &digest.to_string())?;
        let bytes = bytes.ok_or(Error::Incomplete { image: record.id, lack: what })?;
        if digest_like(digest, &bytes) != *digest {
            let (image, expected) = (Box::new(record.id), Box::new(*digest));
            return Err(Error::DigestMismatch { image, what, expected });
        }
        Ok(Bytes::from(bytes))
    }

    /// What the store keeps for the image under `key`.
    fn file(&self, record: &ImageRecord, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let root = &self.roots[record.root];
        let path = root.folder_of("images").join(record.id.hex());
        let name = file_of(key);
        match Folder::open(&path).and_then(|folder| folder.file(name.as_bytes())) {
            Ok((file, _)) => read_all(file, &path.join(name), BLOB_BYTES_MAX).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::reading(&path.join(name), source)),
        }
    }

    /// The image's layers, lowest first.
    fn layers(
        &self,
        record: &ImageRecord,
        manifest: &Manifest,
        config: &[u8],
    ) -> Result<Vec<StoredLayer>, Error> {
        // The image's own store first: an additional one may have a layer of the same id.
        let (before, from) = self.roots.split_at(record.root);
        let lists = from.iter().chain(before).map(|root| root.layers.read());
        let lists = lists.collect::<Result<Vec<_>, _>>()?;
        let entries = chain(&lists, record.layer.as_deref())?;
        let named = manifest.layers().len();
        if entries.len() != named {
            return Err(Error::LayersDiffer { image: record.id, found: entries.len(), named });
        }
        // An artifact's config can be anything.
        let config: ConfigLayers = serde_json::from_slice(config).unwrap_or_default();
        let chain: Arc<[String]> = entries.iter().map(|(id, _)| id.clone()).collect();
        let layers = entries.iter().enumerate().map(|(at, (_, entry))| {
            entry.stored(&chain, at, config.rootfs.diff_ids.get(at).copied())
        });
        Ok(layers.collect())
    }
}

impl Root {
    fn new(path: &Path, driver: Driver) -> Self {
        let folder = |what| path.join(format!("{}-{what}", driver.name()));
        let layers = &["layers.json", "volatile-layers.json"];
        Self {
            path: path.to_path_buf(),
            driver,
            images: Index::new(folder("images"), &["images.json"], "images.lock"),
            layers: Index::new(folder("layers"), layers, "layers.lock"),
        }
    }

    /// Whether there is a store, even one without images.
    fn exists(&self) -> Result<bool, Error> {
        let folder = self.folder_of("images");
        match Folder::open(&folder) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Error::reading(&folder, source)),
        }
    }

    /// Where lists of `images` or `layers` are.
    fn folder_of(&self, what: &str) -> PathBuf {
        self.path.join(format!("{}-{what}", self.driver.name()))
    }

    /// Where files of layers are.
    fn driver_folder(&self) -> PathBuf {
        self.path.join(self.driver.name())
    }

    fn place(&self, layer: &str) -> Place {
        Place { driver: self.driver_folder(), files: self.driver.files_of(layer) }
    }

    /// A file beside the list of layers.
    fn layer_file(&self, name: &str) -> Result<Option<std::fs::File>, Error> {
        let path = self.folder_of("layers");
        match Folder::open(&path).and_then(|folder| folder.file(name.as_bytes())) {
            Ok((file, _)) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::reading(&path.join(name), source)),
        }
    }

    fn is_composefs(&self, layer: &str) -> bool {
        let folder = Folder::open(&self.driver_folder());
        let layer = folder.and_then(|folder| folder.folder(layer.as_bytes()));
        self.driver == Driver::Overlay && layer.is_ok_and(|layer| layer.holds(b"composefs-data"))
    }
}

/// A layer's id and its entry.
type Link<'a> = (String, &'a LayerEntry);

/// The layers from the lowest up to `top`.
fn chain<'a>(
    lists: &'a [Arc<Listed<LayerEntry>>],
    top: Option<&str>,
) -> Result<Vec<Link<'a>>, Error> {
    let mut links: Vec<Link<'a>> = Vec::new();
    let mut next = top.map(str::to_owned);
    while let Some(id) = next.filter(|id| !id.is_empty()) {
        if links.len() == LAYERS_MAX {
            let (layer, _) = links.swap_remove(0);
            return Err(Error::LayerEndless { layer });
        }
        let entry = lists.iter().find_map(|list| list.get(&id).filter(|entry| entry.is_usable()));
        let entry = entry.ok_or_else(|| Error::LayerMissing { layer: id.clone() })?;
        next = entry.parent.clone();
        links.push((id, entry));
    }
    links.reverse();
    Ok(links)
}

fn digest_like(digest: &Digest, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(digest.algorithm());
    hasher.update(bytes);
    hasher.finalize()
}

fn unknown(digest: &Digest) -> Error {
    Error::ImageUnknown { name: digest.to_string(), nearest: Vec::new() }
}
