//! Wharf's own image as something to load: it is written by this program, and lies nowhere.

use std::io::{self, Read};

use wharf_oci::Digest;
use wharf_pusher::image::{Blob, Image, Role};
use wharf_pusher::source::ImageSource;

use crate::image;

/// An image in memory.
#[derive(Debug)]
pub struct Packed {
    layer: image::Blob,
    image: Image,
}

impl Packed {
    /// The source of an image.
    pub fn of(image: image::Image) -> Self {
        let image::Image { layer, config, manifest, descriptor, .. } = image;
        let id = config.descriptor.digest;
        let role = Role::Layer { diff_id: Some(layer.descriptor.digest), pulled: None };
        let blobs = vec![
            Blob { descriptor: config.descriptor, role: Role::Config(config.bytes) },
            Blob { descriptor: layer.descriptor.clone(), role },
        ];
        let (children, platform) = (Vec::new(), descriptor.platform);
        let image = Image { manifest, id: Some(id), blobs, children, pulled: None, platform };
        Self { layer, image }
    }
}

impl ImageSource for Packed {
    fn origin(&self) -> String {
        "this program".to_owned()
    }

    fn image(&self) -> &Image {
        &self.image
    }

    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + Send>> {
        match *digest == self.layer.descriptor.digest {
            true => Ok(Box::new(io::Cursor::new(self.layer.bytes.clone()))),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::image::Architecture;
    use crate::load::Goods;

    #[test]
    fn the_image_of_a_program_is_one_that_a_node_takes() {
        let packed = Packed::of(image::Image::holding(b"program", Architecture::Arm64));
        let names = vec!["localhost/wharf:1".to_owned()];
        let goods = Goods { typed: "wharf".into(), source: Arc::new(packed), names };
        let piece = goods.piece("arm64").unwrap();
        assert_eq!(piece.layers.len(), 1);
        let (layer, chain) = piece.layers[0];
        assert_eq!(layer.digest, chain);
        let mut read = Vec::new();
        goods.source.open(&layer.digest).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read.len() as u64, layer.size);
        assert!(goods.source.open(&piece.digest).is_err());
    }
}
