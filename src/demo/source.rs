//! The demo's image as the pusher takes images: everything of it is in memory.

use std::io::{self, Cursor, Read};

use wharf_oci::Digest;
use wharf_pusher::image::{self, Role};
use wharf_pusher::source::ImageSource;

use crate::image::Image;

/// An image that was packed in this process.
#[derive(Debug)]
pub struct PackedSource {
    packed: Image,
    image: image::Image,
}

impl PackedSource {
    /// The packed image, to be pushed.
    pub fn new(packed: &Image) -> Self {
        let (layer, config) = (&packed.layer.descriptor, &packed.config);
        let blobs = vec![
            image::Blob {
                descriptor: config.descriptor.clone(),
                role: Role::Config(config.bytes.clone()),
            },
            image::Blob {
                descriptor: layer.clone(),
                // It is not compressed, so it is its own archive.
                role: Role::Layer { diff_id: Some(layer.digest), pulled: None },
            },
        ];
        let image = image::Image {
            manifest: packed.manifest.clone(),
            id: Some(config.descriptor.digest),
            blobs,
            children: Vec::new(),
            pulled: None,
            platform: packed.descriptor.platform.clone(),
        };
        Self { packed: packed.clone(), image }
    }
}

impl ImageSource for PackedSource {
    fn origin(&self) -> String {
        "this program".into()
    }

    fn image(&self) -> &image::Image {
        &self.image
    }

    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + Send>> {
        match self.packed.layer.descriptor.digest == *digest {
            true => Ok(Box::new(Cursor::new(self.packed.layer.bytes.clone()))),
            false => Err(io::Error::new(io::ErrorKind::NotFound, format!("no layer {digest}"))),
        }
    }
}
