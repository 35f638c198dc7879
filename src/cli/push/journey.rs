//! The two roads, taken: images that the registry takes in by itself, and the layers of all others,
//! those of one registry together, so that what images share is sent once.

use tokio::runtime::Handle;
use wharf_client::RegistryAddress;
use wharf_oci::{Digest, Reference};
use wharf_pusher::ingest::{IngestError, Wish, ingest};
use wharf_pusher::layer::{Compression, DigestCache};
use wharf_pusher::progress::Events;
use wharf_pusher::{Config, Order, Pushed, Stop};

use std::sync::Arc;

use super::error::PushError;
use super::job::{Job, Ready, blocking};
use super::outcome::{INGEST, Outcome, STREAM};
use super::plan::ImagePlan;
use super::road::{Circumstances, Road, Via};
use crate::cli::finder::origin::Origin;
use crate::failure::told;

/// Where the cache of digests is, below the user's folder of caches.
const CACHE_FOLDER: &str = "wharf";

impl Job {
    /// Pushes images, each on the road that is best for it.
    ///
    /// # Errors
    /// [`PushError`]; no tag of a streamed image was moved then.
    pub async fn push(
        &self,
        images: Vec<Ready>,
        events: &Events,
        stop: &Stop,
    ) -> Result<Vec<Outcome>, PushError> {
        let mut outcomes: Vec<Option<Outcome>> = images.iter().map(|_| None).collect();
        let mut streamed = Vec::new();
        for (index, image) in images.into_iter().enumerate() {
            match self.take_in(&image, events).await? {
                Some(pushed) => {
                    let source = "Podman's store, seen by the registry".to_owned();
                    let outcome = Outcome::of(&pushed, &image.destination, source, INGEST);
                    outcomes[index] = Some(outcome);
                }
                None => streamed.push((index, image)),
            }
        }
        for (registry, group) in by_registry(streamed) {
            let mut orders = Vec::new();
            for (_, image) in &group {
                orders.push(self.order(image).await?);
            }
            let sources: Vec<_> = orders.iter().map(|order| order.source.origin()).collect();
            let config = self.config(&registry, stop);
            let pushed = wharf_pusher::push(orders, &config, events).await?;
            for (((index, image), pushed), source) in group.iter().zip(&pushed).zip(sources) {
                for missing in &pushed.left_out {
                    self.finder.voice.warn(format_args!(
                        "{}: the index names {}, which is neither here nor there: it was left out",
                        image.wanted.typed, missing.digest
                    ));
                }
                let outcome = Outcome::of(pushed, &image.destination, source, STREAM);
                outcomes[*index] = Some(outcome);
            }
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// What a push of these images would do.
    ///
    /// # Errors
    /// [`PushError`]; nothing was changed, whatever happened.
    pub async fn plan(&self, images: Vec<Ready>, stop: &Stop) -> Result<Vec<ImagePlan>, PushError> {
        let mut plans = Vec::new();
        for image in images {
            let order = self.order(&image).await?;
            let config = self.config(&image.destination.registry, stop);
            let plan = wharf_pusher::plan(&order, &config).await?;
            plans.push(ImagePlan::of(plan, &image.destination, order.source.origin()));
        }
        Ok(plans)
    }

    /// Has the registry take an image in, if it can be asked to and does.
    async fn take_in(&self, image: &Ready, events: &Events) -> Result<Option<Pushed>, PushError> {
        let typed = &image.wanted.typed;
        let secret = match (self.circumstances(image).road(), &self.secret) {
            (Ok(Road::Ingest), Some(secret)) => secret,
            (Ok(Road::Ingest), None) => return Ok(None),
            (Ok(Road::Stream(reason)), _) => {
                self.finder.voice.explain(format_args!("{typed}: streaming, since {reason}"));
                return Ok(None);
            }
            (Err(impossible), _) => return Err(PushError::NoIngest(impossible)),
        };
        let Some(id) = image.found.described.id else { return Ok(None) };
        let destination = &image.destination;
        let tag = match &destination.reference {
            Reference::Tag(tag) => Some(tag.clone()),
            Reference::Digest(_) => None,
        };
        let wish = Wish { image: id, name: destination.name.clone(), tag };
        let error = match ingest(&image.client, &wish, secret, events).await {
            Ok(pushed) => {
                let words = "taken in by the registry, out of the store that it sees";
                self.finder.voice.explain(format_args!("{typed}: {words}"));
                return Ok(Some(pushed));
            }
            Err(error) => error,
        };
        if self.asked == Some(Via::Ingest) {
            return Err(PushError::Ingest { image: typed.clone(), source: error });
        }
        let words = format!("{typed}: streaming, since {}", told(&error));
        match error {
            IngestError::Client(error @ wharf_client::Error::Unreachable { .. }) => {
                return Err(error.into());
            }
            // These are for someone to mend: the push goes on, slower.
            IngestError::Unauthorised | IngestError::Failed { .. } => self.finder.voice.warn(words),
            _ => self.finder.voice.explain(words),
        }
        Ok(None)
    }

    fn circumstances(&self, image: &Ready) -> Circumstances {
        Circumstances {
            asked: self.asked,
            is_local: image.destination.registry.is_local(),
            is_podmans: image.found.is_podmans(&image.wanted.origin),
            is_single: image.found.described.id.is_some(),
            compresses: self.form(&image.destination.registry) != Compression::None,
            has_secret: self.secret.is_some(),
        }
    }

    /// An image, read from now on, and where it goes.
    async fn order(&self, image: &Ready) -> Result<Order, PushError> {
        let destination = &image.destination;
        let (client, name, handle) =
            (image.client.clone(), destination.name.clone(), Handle::current());
        let lacks = move |digest: &Digest| {
            let there = handle.block_on(client.head_blob(&name, digest));
            // A registry that does not say is asked again by the push itself.
            !matches!(there, Ok(Some(_)))
        };
        let (place, spool) = (image.found.place.clone(), self.finder.surroundings.spool.clone());
        let source = blocking(move || Ok(place.open(lacks, &spool)?)).await?;
        // Of what is in the store it was said when it was found there.
        if !(image.found.place.is_open() && matches!(image.wanted.origin, Origin::Engine(_))) {
            let typed = &image.wanted.typed;
            self.finder.voice.explain(format_args!("{typed}: read from {}", source.origin()));
        }
        Ok(Order {
            source,
            client: image.client.clone(),
            name: destination.name.clone(),
            reference: destination.reference.clone(),
        })
    }

    fn config(&self, registry: &RegistryAddress, stop: &Stop) -> Config {
        let surroundings = &self.finder.surroundings;
        let cache = surroundings.cache.as_ref();
        Config {
            compression: self.form(registry),
            parallel: self.parallel,
            cache: cache.map(|folder| Arc::new(DigestCache::open(&folder.join(CACHE_FOLDER)))),
            stop: stop.clone(),
            ..Config::new(surroundings.spool.clone())
        }
    }

    /// The form in which layers go: as they are where no byte leaves the machine, in the one that
    /// every registry and engine takes elsewhere.
    fn form(&self, registry: &RegistryAddress) -> Compression {
        let by_place = if registry.is_local() { Compression::None } else { Compression::GZIP };
        self.compression.unwrap_or(by_place)
    }
}

/// Images by the registry that they go to, in their order.
fn by_registry(images: Vec<(usize, Ready)>) -> Vec<(RegistryAddress, Vec<(usize, Ready)>)> {
    let mut groups: Vec<(RegistryAddress, Vec<_>)> = Vec::new();
    for image in images {
        let registry = &image.1.destination.registry;
        match groups.iter_mut().find(|(known, _)| known == registry) {
            Some((_, group)) => group.push(image),
            None => groups.push((registry.clone(), vec![image])),
        }
    }
    groups
}
