//! The containers/storage of Podman, Buildah and Skopeo, read in place: which images there are, what
//! their manifests say, and each layer's tar archive put together again from the files it became.
//!
//! Everything blocks, and nothing is ever written: the store belongs to Podman. Both ends of a push
//! use this: the pusher to stream layers, the registry to take them in without a push.
//!
//! What it refuses to do: start a program, read the environment, follow a link out of the store,
//! trust a layer (whoever reads one checks its digest).

mod error;
mod files;
mod folder;
mod image;
mod index;
mod layer;
mod location;
mod lock;
mod name;
mod reader;
mod rewrite;
mod store;
mod tar_split;

pub use error::Error;
pub use image::{ImageRecord, StoredImage};
pub use layer::StoredLayer;
pub use location::{Driver, Location, LocationError, Lookup};
pub use reader::{LayerError, LayerReader};
pub use rewrite::RewriteError;
pub use store::Store;
