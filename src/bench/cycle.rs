//! How long does a developer wait? A layer of an image is changed, the image is pushed as `wharf push`
//! does it, and pulled as a node does it, which has the layers from before. The clock runs for the push
//! and for the pull; what a build takes is not the registry's matter.

mod image;
mod node;
mod program;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use wharf_load::{Cell, Measurement, Operation};
use wharf_oci::{Reference, Tag};
use wharf_pusher::progress::Events;
use wharf_pusher::source::layout::LayoutSource;
use wharf_pusher::{Config, Order};

use super::guest::Written;
use super::{BenchError, Limits, Site, Trial};
use image::ChangingImage;

pub use image::STEP_BYTES;
pub use node::{Node, Puller};

/// Change, push, pull; again and again.
#[derive(Debug)]
pub struct Cycle {
    image: ChangingImage,
    image_bytes: u64,
    layer_bytes: u64,
    limits: Limits,
    changes: u64,
    puller: Arc<std::sync::Mutex<Puller>>,
    spool: PathBuf,
}

impl Cycle {
    /// Makes the image, of `image_bytes` in all and `layer_bytes` in the layer that changes, below `spool`.
    /// What is pulled is always checked, whatever the limits say, as a node does.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn new(
        spool: &Path,
        image_bytes: u64,
        layer_bytes: u64,
        limits: Limits,
        puller: Arc<std::sync::Mutex<Puller>>,
    ) -> Result<Self, BenchError> {
        let run = getrandom::u64().map_err(BenchError::Random)?;
        let image = ChangingImage::make(spool, image_bytes, layer_bytes, run);
        let image = image.map_err(BenchError::Image)?;
        let spool = spool.to_owned();
        Ok(Self { image, image_bytes, layer_bytes, limits, changes: 0, puller, spool })
    }

    /// Pushes the image as it is now.
    fn push(&self, site: &Site) -> Result<Duration, BenchError> {
        site.go_on()?;
        let parts = self.image.parts();
        let blobs = parts.blobs.iter().copied().map(Written::Blob);
        site.guest().remember(blobs.chain([Written::Manifest(parts.manifest)]));
        let began = Instant::now();
        let source = LayoutSource::open(self.image.folder(), None).map_err(BenchError::Source)?;
        let order = Order {
            source: Arc::new(source),
            client: site.client().clone(),
            name: site.guest().name().clone(),
            reference: Reference::Tag(tag()),
        };
        let config = Config::new(self.spool.clone());
        let events = Events::default();
        let pushed = self.alone(site, wharf_pusher::push(vec![order], &config, &events))?;
        pushed.map_err(|source| BenchError::Push { server: site.label().to_owned(), source })?;
        Ok(began.elapsed())
    }

    fn pull(&self, site: &Site) -> Result<Duration, BenchError> {
        site.go_on()?;
        let began = Instant::now();
        let mut puller = self.puller.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &mut *puller {
            Puller::Node(node) => node.pull(site, &tag(), &self.image.parts().manifest)?,
            Puller::Here(had) => {
                let had = had.entry(site.label().to_owned()).or_default();
                let tag = tag();
                let fetched = node::fetch(site.client(), site.guest().name(), &tag, had);
                let found = self.alone(site, fetched)?.map_err(|source| BenchError::Client {
                    server: site.label().to_owned(),
                    source,
                })?;
                if found != Some(self.image.parts().manifest) {
                    return Err(BenchError::Stale { server: site.label().to_owned() });
                }
            }
        }
        Ok(began.elapsed())
    }

    /// Runs to its end what a command of its own would do. Its connections end with it, as those of a
    /// command do: kept any longer, they would be nobody's to drive, and the site's next question would wait
    /// for them.
    fn alone<T>(&self, site: &Site, work: impl Future<Output = T>) -> Result<T, BenchError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let time_max = self.limits.time_max;
        let done = runtime
            .map_err(BenchError::Runtime)?
            .block_on(async { tokio::time::timeout(time_max, work).await });
        done.map_err(|_| BenchError::Late { server: site.label().to_owned(), time_max })
    }
}

impl Puller {
    /// This program, which has nothing yet.
    pub fn here() -> Self {
        Self::Here(HashMap::new())
    }
}

impl Trial for Cycle {
    fn cell(&self) -> Cell {
        Cell { operation: Operation::Loop, size: Some(self.layer_bytes), clients: 1 }
    }

    fn prepare(&mut self, site: &Site) -> Result<(), BenchError> {
        self.limits.allow(self.cell(), self.image_bytes)?;
        self.push(site)?;
        self.pull(site).map(drop)
    }

    fn measure(&mut self, site: &Site) -> Result<Measurement, BenchError> {
        // Another change for each registry: a node would not fetch the same layer twice.
        self.changes += 1;
        self.image.change(self.changes).map_err(BenchError::Image)?;
        let watch = site.server().map(wharf_load::ServerProcess::watch).transpose();
        let watch = watch.map_err(|source| site.failed(source))?;
        let (push, pull) = (self.push(site)?, self.pull(site)?);
        let usage = watch.map(wharf_load::server::Watch::end).transpose();
        let usage = usage.map_err(|source| site.failed(source))?;
        let mut measured = Measurement::new(site.label(), Operation::Loop, 1, push + pull);
        measured.size = Some(self.layer_bytes);
        measured.push_seconds = Some(push.as_secs_f64());
        measured.pull_seconds = Some(pull.as_secs_f64());
        Ok(measured.with_usage(usage))
    }
}

#[expect(clippy::expect_used, reason = "a constant that is a tag")]
fn tag() -> Tag {
    "loop".parse().expect("a tag")
}
