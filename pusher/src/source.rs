//! `ImageSource`: an image in some place, as descriptors and readers; one face for every place.
//!
//! A source knows every digest and size before a byte of a layer is read. It need not check what its
//! readers give: the registry hashes what arrives, and a mismatch is told as what it is.

use std::fmt;
use std::io::{self, Read};

use wharf_oci::Digest;

use crate::image::Image;

pub mod archive;
mod assembled;
mod choice;
mod config;
mod content;
mod error;
mod index;
pub mod layout;
pub mod podman;
pub mod saved;

pub use error::{HeaderProblem, SourceError};

/// An image in some place. Everything blocks: it is called on blocking threads alone.
pub trait ImageSource: fmt::Debug + Send + Sync {
    /// Where the image is, for a person: `Podman's store at /var/lib/containers/storage`.
    fn origin(&self) -> String;

    /// The image.
    fn image(&self) -> &Image;

    /// The names that the image has there, as they were written. Empty where names are not kept, or
    /// known to whoever opened the source.
    fn names(&self) -> &[String] {
        &[]
    }

    /// A reader of one of the image's layers, from its first byte, in the form of its descriptor.
    /// May be called again after a failure, from several threads at once.
    ///
    /// # Errors
    /// The layer is not there any more, or cannot be read; the error's text says which and why.
    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + Send>>;
}
