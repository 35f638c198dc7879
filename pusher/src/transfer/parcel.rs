//! A `Parcel`: one blob, and the repositories of one registry that are to have it. However many
//! images of however many orders name it, it is one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use wharf_client::BlobSource;
use wharf_oci::{Descriptor, Digest, media_type};

use crate::image::{Blob, Image, Role};
use crate::push::{Config, Order};
use crate::source::ImageSource;
use crate::transfer::Target;
use crate::transfer::knowledge::{Knowledge, to_compress};
use crate::transfer::spool::SpoolReader;

/// An order, and its image in the form in which it goes.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) order: &'a Order,
    pub(crate) image: Image,
}

impl Job<'_> {
    pub(crate) fn target(&self) -> Target {
        Target { client: self.order.client.clone(), name: self.order.name.clone() }
    }

    /// The blobs that the registry is to have, in the order of the manifests, each once.
    pub(crate) fn blobs(&self) -> Vec<&Blob> {
        let mut blobs: Vec<&Blob> = Vec::new();
        for blob in self.image.leaves().into_iter().flat_map(|image| &image.blobs) {
            let is_new = !blobs.iter().any(|it| it.descriptor.digest == blob.descriptor.digest);
            // What lives elsewhere by design is not the registry's.
            if is_new && !media_type::is_non_distributable(&blob.descriptor.media_type) {
                blobs.push(blob);
            }
        }
        blobs
    }
}

/// A blob on its way to repositories of one registry.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// The blob in the form of its source.
    pub(crate) descriptor: Descriptor,
    pub(crate) content: Content,
    pub(crate) targets: Vec<Target>,
    /// If it is to be compressed.
    pub(crate) to_compress: Option<ToCompress>,
    /// Forms that would do as well, if the registry has them.
    pub(crate) others: Vec<Descriptor>,
}

/// A layer that is to be compressed before it goes.
#[derive(Debug)]
pub(crate) struct ToCompress {
    pub(crate) diff_id: Digest,
    pub(crate) source: Arc<dyn ImageSource>,
}

/// Where the bytes of a blob come from.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Memory(Bytes),
    Layer(Arc<dyn ImageSource>, Digest),
    Spool(Arc<File>),
}

impl Parcel {
    /// The parcels of these jobs, the largest first.
    pub(crate) fn all(jobs: &[Job<'_>], config: &Config, knowledge: &Knowledge) -> Vec<Self> {
        let mut parcels: Vec<Self> = Vec::new();
        let mut places = HashMap::new();
        for job in jobs {
            let target = job.target();
            for blob in job.blobs() {
                let key = (target.registry(), blob.descriptor.digest);
                let place = *places.entry(key).or_insert(parcels.len());
                if place == parcels.len() {
                    parcels.push(Self::of(blob, &job.order.source, config, knowledge));
                }
                let targets = &mut parcels[place].targets;
                if !targets.iter().any(|known| known.is(&target)) {
                    targets.push(target.clone());
                }
            }
        }
        parcels.sort_by_key(|parcel| std::cmp::Reverse(parcel.descriptor.size));
        parcels
    }

    fn of(
        blob: &Blob,
        source: &Arc<dyn ImageSource>,
        config: &Config,
        knowledge: &Knowledge,
    ) -> Self {
        let descriptor = blob.descriptor.clone();
        let diff_id = to_compress(blob, config.compression);
        let cached = diff_id.and_then(|diff_id| knowledge.compressed(&diff_id)).cloned();
        let (content, pulled) = match &blob.role {
            Role::Config(bytes) => (Content::Memory(bytes.clone()), None),
            Role::Layer { pulled, .. } => {
                (Content::Layer(Arc::clone(source), descriptor.digest), pulled.clone())
            }
        };
        let pulled = pulled.filter(|_| diff_id.is_some());
        let to_compress = diff_id.map(|diff_id| ToCompress { diff_id, source: Arc::clone(source) });
        let others = cached.into_iter().chain(pulled).collect();
        Self { descriptor, content, targets: Vec::new(), to_compress, others }
    }

    pub(crate) fn digest(&self) -> Digest {
        self.descriptor.digest
    }

    pub(crate) fn is_layer(&self) -> bool {
        !matches!(self.content, Content::Memory(_))
    }

    /// The forms that a registry may have, the best first.
    pub(crate) fn forms(&self) -> impl Iterator<Item = &Descriptor> {
        let as_it_is = Some(&self.descriptor).filter(|_| self.to_compress.is_none());
        as_it_is.into_iter().chain(&self.others)
    }
}

impl Content {
    /// The bytes from `from` on, of `size` in all.
    pub(crate) fn from(&self, from: u64, size: u64) -> BlobSource {
        let left = size.saturating_sub(from);
        match self.clone() {
            Self::Memory(bytes) => {
                let start = usize::try_from(from).map_or(bytes.len(), |it| it.min(bytes.len()));
                BlobSource::bytes(bytes.slice(start..))
            }
            Self::Layer(source, digest) => {
                BlobSource::opened(move || source.open(&digest), from, left)
            }
            Self::Spool(file) => {
                let open = move || -> io::Result<Box<dyn Read + Send>> {
                    Ok(Box::new(SpoolReader::new(file, from)))
                };
                BlobSource::opened(open, 0, left)
            }
        }
    }
}
