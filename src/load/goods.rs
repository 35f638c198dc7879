//! An image that is to go to nodes, and what of it a node needs.

use std::collections::HashSet;
use std::sync::Arc;

use wharf_oci::{Descriptor, Digest};
use wharf_pusher::image::{Image, Role};
use wharf_pusher::source::ImageSource;

use super::LoadError;
use super::names::with_digests;
use super::stock::{Stock, chains};

/// An image, and the names that it is to have.
#[derive(Debug, Clone)]
pub struct Goods {
    /// As the user named it.
    pub typed: String,
    /// Where it is read from.
    pub source: Arc<dyn ImageSource>,
    /// Its full names on a node.
    pub names: Vec<String>,
}

/// An image for one node: of an index, the one of the node's processor.
#[derive(Debug, Clone)]
pub struct Piece<'a> {
    /// What it is a piece of.
    pub goods: &'a Goods,
    /// The image.
    pub image: &'a Image,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Its layers, lowest first, each with the chain that it is the end of.
    pub layers: Vec<(&'a Descriptor, Digest)>,
}

/// What a node needs.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// The images that are not there.
    pub pieces: Vec<Piece<'a>>,
    /// Those that are, under all of their names.
    pub there: Vec<Piece<'a>>,
    /// The layers that have to be sent, each once.
    pub layers: Vec<&'a Descriptor>,
}

impl Goods {
    /// The image of it for a processor, and its layers.
    ///
    /// # Errors
    /// There is none for that processor, or it is nothing that can be run.
    pub fn piece(&self, architecture: &str) -> Result<Piece<'_>, LoadError> {
        let image = self.image(architecture)?;
        let no_image = || LoadError::NoImage { image: self.typed.clone() };
        image.id.ok_or_else(no_image)?;
        let (mut layers, mut diff_ids) = (Vec::new(), Vec::new());
        for blob in &image.blobs {
            if let Role::Layer { diff_id, .. } = &blob.role {
                layers.push(&blob.descriptor);
                diff_ids.push(diff_id.ok_or_else(no_image)?);
            }
        }
        // Layers that lie elsewhere are not among the blobs.
        if layers.len() != image.manifest.layers().len() {
            return Err(no_image());
        }
        let layers = layers.into_iter().zip(chains(&diff_ids)).collect();
        let digest = Digest::of(wharf_oci::Algorithm::Sha256, image.manifest.bytes());
        Ok(Piece { goods: self, image, digest, layers })
    }

    fn image(&self, architecture: &str) -> Result<&Image, LoadError> {
        let mut images = vec![self.source.image()];
        while images.iter().any(|image| !image.children.is_empty()) {
            images = images
                .into_iter()
                .flat_map(|it| {
                    if it.children.is_empty() { vec![it] } else { it.children.iter().collect() }
                })
                .collect();
        }
        let runs_on = |image: &&Image| {
            image
                .platform
                .as_ref()
                .is_some_and(|it| it.os == "linux" && it.architecture == architecture)
        };
        match (images.iter().find(|image| runs_on(image)), &images[..]) {
            (Some(image), _) => Ok(image),
            // Somebody built that for another machine, and may know why.
            (None, [image]) => Ok(image),
            (None, _) => Err(LoadError::Platform {
                image: self.typed.clone(),
                architecture: architecture.to_owned(),
            }),
        }
    }
}

impl Piece<'_> {
    /// The names that a node is to know it by, those by digest too.
    pub fn names(&self) -> Vec<String> {
        with_digests(&self.goods.names, &self.digest)
    }

    /// Whether a node has it, unpacked, under all of its names.
    pub fn is_in(&self, stock: &Stock) -> bool {
        let small = [Some(self.digest), self.image.id];
        small.iter().flatten().all(|digest| stock.blobs.contains(digest))
            && self.layers.last().is_none_or(|(_, chain)| stock.chains.contains(chain))
            && self.names().iter().all(|name| stock.images.get(name) == Some(&self.digest))
    }

    /// The other processor that it is for, if it is not the node's.
    pub fn stranger(&self, stock: &Stock) -> Option<&str> {
        let platform = self.image.platform.as_ref()?;
        let own = platform.architecture.as_str();
        (!own.is_empty() && own != stock.architecture).then_some(own)
    }
}

impl<'a> Order<'a> {
    /// What a node needs that holds `stock`.
    ///
    /// # Errors
    /// [`Goods::piece`]'s.
    pub fn of(goods: &'a [Goods], stock: &Stock) -> Result<Self, LoadError> {
        let pieces = goods.iter().map(|goods| goods.piece(&stock.architecture));
        let pieces = pieces.collect::<Result<Vec<_>, _>>()?;
        let (there, pieces) = pieces.into_iter().partition(|piece| piece.is_in(stock));
        let mut order = Self { pieces, there, layers: Vec::new() };
        order.layers = order.layers_but(|descriptor, chain| {
            stock.blobs.contains(&descriptor.digest) || stock.chains.contains(chain)
        });
        Ok(order)
    }

    /// The same with every layer of what is not there, whatever the node seems to hold.
    pub fn whole(&self) -> Self {
        let mut order = self.clone();
        order.layers = order.layers_but(|_, _| false);
        order
    }

    /// The bytes to send: layers, configs and manifests.
    pub fn bytes(&self) -> u64 {
        let small = |piece: &Piece<'_>| {
            let config = piece.image.manifest.config().map_or(0, |config| config.size);
            config + piece.image.manifest.bytes().len() as u64
        };
        self.layers.iter().map(|layer| layer.size).sum::<u64>()
            + self.pieces.iter().map(small).sum::<u64>()
    }

    /// The layers of all images, each once.
    pub fn all_layers(&self) -> Vec<&'a Descriptor> {
        let mut seen = HashSet::new();
        let pieces = self.there.iter().chain(&self.pieces);
        let layers = pieces.flat_map(|piece| piece.layers.iter().map(|(layer, _)| *layer));
        layers.filter(|layer| seen.insert(layer.digest)).collect()
    }

    fn layers_but(&self, has: impl Fn(&Descriptor, &Digest) -> bool) -> Vec<&'a Descriptor> {
        let mut seen = HashSet::new();
        let layers = self.pieces.iter().flat_map(|piece| &piece.layers);
        let lacking = layers.filter(|(layer, chain)| !has(layer, chain)).map(|(layer, _)| *layer);
        lacking.filter(|layer| seen.insert(layer.digest)).collect()
    }
}
