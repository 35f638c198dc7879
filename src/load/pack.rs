//! The archive that goes to a node: an OCI layout as a tar, written as it goes, with no more layers in it
//! than the node lacks. What names the images stands at its end, so that an archive that is cut off
//! names none. No layer is ever held in memory, and none in a file.

use std::io::{self, Read, Write};

use serde::Serialize;
use tar::{EntryType, Header};
use wharf_oci::{Descriptor, Digest, media_type};
use wharf_pusher::image::Role;

use super::goods::Order;

/// The annotation by which containerd names an image.
const NAME: &str = "io.containerd.image.name";
/// How much of a layer is copied at once, in bytes.
const PIECE_BYTES: usize = 256 << 10;
/// What a tar consists of, in bytes.
const BLOCK: usize = 512;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u32,
    media_type: &'a str,
    manifests: Vec<Descriptor>,
}

/// Writes the archive of an order. `moved` is told of each layer how much of it was written so far.
///
/// # Errors
/// A layer cannot be read, or is not as long as its manifest says; or it cannot be written.
pub fn write(
    order: &Order<'_>,
    out: &mut dyn Write,
    moved: &mut dyn FnMut(&Descriptor, u64),
) -> io::Result<()> {
    for layer in &order.layers {
        let owner = order.pieces.iter().find(|piece| {
            piece.layers.iter().any(|(descriptor, _)| descriptor.digest == layer.digest)
        });
        let Some(owner) = owner else { continue };
        let mut reader = owner.goods.source.open(&layer.digest)?;
        begin(out, &path(&layer.digest), layer.size)?;
        copy(&mut reader, layer, out, moved)?;
        end(out, layer.size)?;
    }
    let mut manifests = Vec::new();
    for piece in &order.pieces {
        for blob in &piece.image.blobs {
            if let Role::Config(bytes) = &blob.role {
                whole(out, &path(&blob.descriptor.digest), bytes)?;
            }
        }
        let manifest = &piece.image.manifest;
        whole(out, &path(&piece.digest), manifest.bytes())?;
        let size = manifest.bytes().len() as u64;
        manifests.extend(piece.names().into_iter().map(|name| {
            let mut entry = Descriptor::new(manifest.media_type(), piece.digest, size);
            entry.annotations.insert(NAME.to_owned(), name);
            entry
        }));
    }
    let index = Index { schema_version: 2, media_type: media_type::OCI_INDEX, manifests };
    whole(out, "index.json", &serde_json::to_vec(&index)?)?;
    whole(out, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    // A tar ends with two empty blocks.
    out.write_all(&[0; 2 * BLOCK])?;
    out.flush()
}

fn path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

fn whole(out: &mut dyn Write, path: &str, bytes: &[u8]) -> io::Result<()> {
    begin(out, path, bytes.len() as u64)?;
    out.write_all(bytes)?;
    end(out, bytes.len() as u64)
}

/// Writes the header of an entry; its bytes follow.
fn begin(out: &mut dyn Write, path: &str, size: u64) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_path(path)?;
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    out.write_all(header.as_bytes())
}

/// Fills the last block of an entry.
fn end(out: &mut dyn Write, size: u64) -> io::Result<()> {
    #[expect(clippy::cast_possible_truncation, reason = "less than a block")]
    let rest = (size % BLOCK as u64) as usize;
    out.write_all(&[0; BLOCK][..(BLOCK - rest) % BLOCK])
}

/// Copies a layer, which must be as long as it was said.
fn copy(
    reader: &mut dyn Read,
    layer: &Descriptor,
    out: &mut dyn Write,
    moved: &mut dyn FnMut(&Descriptor, u64),
) -> io::Result<()> {
    let (mut buffer, mut written) = (vec![0; PIECE_BYTES], 0);
    loop {
        let read = match reader.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        written += read as u64;
        if written > layer.size || read == 0 && written < layer.size {
            let words = format!("the layer {} is not {} bytes long", layer.digest, layer.size);
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        if read == 0 {
            return Ok(());
        }
        out.write_all(&buffer[..read])?;
        moved(layer, written);
    }
}
