//! What earlier pushes have learnt about the blobs of this one, read in one go before the first
//! request. Hints: the registry is asked before anything rests on them.

use std::collections::HashMap;
use std::sync::Arc;

use wharf_oci::{Descriptor, Digest, RepositoryName};

use crate::image::{Blob, Role};
use crate::layer::{Compression, DigestCache};
use crate::push::{Config, Order};

/// What is known before a registry is asked.
#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    /// By diff id: the layer's compressed form.
    compressed: HashMap<Digest, Descriptor>,
    /// By registry and digest: the repositories that have the blob.
    holders: HashMap<(String, Digest), Vec<RepositoryName>>,
}

impl Knowledge {
    /// What the cache knows of the blobs of these orders.
    pub(crate) async fn of(orders: &[Order], config: &Config) -> Self {
        let Some(cache) = config.cache.clone() else { return Self::default() };
        let (orders, compression) = (orders.to_vec(), config.compression);
        let reading = move || Self::read(&orders, compression, &cache);
        tokio::task::spawn_blocking(reading).await.unwrap_or_default()
    }

    fn read(orders: &[Order], compression: Compression, cache: &DigestCache) -> Self {
        let mut knowledge = Self::default();
        for order in orders {
            let registry = order.client.address().to_string();
            let leaves = order.source.image().leaves();
            for blob in leaves.into_iter().flat_map(|image| &image.blobs) {
                let mut forms = vec![blob.descriptor.digest];
                if let Some(diff_id) = to_compress(blob, compression)
                    && let Some((digest, size)) = cache.compressed(&diff_id, compression)
                {
                    let form = Descriptor::new(compression.oci_media_type(), digest, size);
                    knowledge.compressed.insert(diff_id, form);
                    forms.push(digest);
                }
                for digest in forms {
                    let holders = cache.holders(&registry, &digest);
                    knowledge.holders.insert((registry.clone(), digest), holders);
                }
            }
        }
        knowledge
    }

    /// The compressed form of a layer.
    pub(crate) fn compressed(&self, diff_id: &Digest) -> Option<&Descriptor> {
        self.compressed.get(diff_id)
    }

    /// The repositories of a registry that have had a blob.
    pub(crate) fn holders(&self, registry: &str, digest: &Digest) -> &[RepositoryName] {
        self.holders.get(&(registry.to_owned(), *digest)).map_or(&[], Vec::as_slice)
    }
}

/// The diff id of a layer that is to be compressed before it goes.
pub(crate) fn to_compress(blob: &Blob, compression: Compression) -> Option<Digest> {
    let Role::Layer { diff_id, .. } = &blob.role else { return None };
    let types = [Some(Compression::None.oci_media_type()), Compression::None.docker_media_type()];
    let is_plain = types.contains(&Some(blob.descriptor.media_type.as_str()));
    diff_id.filter(|_| is_plain && compression != Compression::None)
}

/// Writes down what this push has learnt. What cannot be written is not missed.
pub(crate) async fn remember(
    cache: &Option<Arc<DigestCache>>,
    write: impl FnOnce(&DigestCache) -> std::io::Result<()> + Send + 'static,
) {
    let Some(cache) = cache.clone() else { return };
    let written = tokio::task::spawn_blocking(move || write(&cache)).await;
    if let Ok(Err(error)) = written {
        tracing::debug!("cannot write down what the push has learnt: {error}");
    }
}
