//! The work of one command: every image found before anything moves, then those that the registry can
//! take in, then the layers of all others together, registry by registry.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::time::timeout;
use wharf_client::{Credentials, Options, RegistryAddress, RegistryClient, Trust};
use wharf_oci::ImageReference;
use wharf_oci::ingest::Secret;
use wharf_pusher::Stop;
use wharf_pusher::layer::Compression;
use wharf_pusher::progress::Events;

use super::destination::Destination;
use super::error::PushError;
use super::outcome::Outcomes;
use super::plan::Plans;
use super::road::Via;
use crate::cli::finder::engine::Described;
use crate::cli::finder::name::name_of;
use crate::cli::finder::origin::Origin;
use crate::cli::finder::{Finder, Found, Place, everything};
use crate::cli::progress::layers::{Layers, Shown};
use crate::cli::registries::by_rules;
use crate::cli::serve::signals::Signals;

/// How long a push that was interrupted may take to leave the registry clean.
const FAREWELL_MAX: Duration = Duration::from_millis(900);

/// An image that was asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// As it was typed.
    pub typed: String,
    /// Where it is to be taken from.
    pub origin: Origin,
    /// `--as`.
    pub renamed: Option<ImageReference>,
}

/// Everything that one command has to do.
#[derive(Debug, Clone)]
pub struct Job {
    /// The images.
    pub wanted: Vec<Wanted>,
    /// What looks for them.
    pub finder: Finder,
    /// Which registries are believed.
    pub trust: Trust,
    /// What knows who we are to a registry.
    pub credentials: Option<Arc<dyn Credentials>>,
    /// `--via`.
    pub asked: Option<Via>,
    /// What lets a registry take images in.
    pub secret: Option<Secret>,
    /// `--compression`.
    pub compression: Option<Compression>,
    /// `--jobs`.
    pub parallel: NonZeroUsize,
    /// `--dry-run`.
    pub dry_run: bool,
}

/// What came of a job.
#[derive(Debug)]
pub enum Done {
    /// The images are in their registries.
    Pushed(Outcomes),
    /// Nothing moved; this would have.
    Planned(Plans),
}

/// An image that was found, with the place that it goes to.
#[derive(Debug, Clone)]
pub struct Ready {
    /// What was asked for.
    pub wanted: Wanted,
    /// The image.
    pub found: Found,
    /// Where it goes.
    pub destination: Destination,
    /// The client of that registry.
    pub client: RegistryClient,
}

impl Job {
    /// The same job with another finder.
    pub fn with(&self, finder: &Finder) -> Self {
        Self { finder: finder.clone(), ..self.clone() }
    }

    /// Does it, and shows it.
    ///
    /// # Errors
    /// [`PushError`]; no tag was moved then.
    pub fn run(&self, shown: Shown) -> Result<Done, PushError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(PushError::Runtime)?;
        let layers = Layers::show(shown, self.finder.voice.report);
        let done = self.run_until_interrupted(&runtime, &layers);
        // What is being read is not waited for: nobody wants it any more.
        runtime.shutdown_background();
        layers.end(done.is_ok());
        done
    }

    fn run_until_interrupted(&self, runtime: &Runtime, layers: &Layers) -> Result<Done, PushError> {
        runtime.block_on(async {
            let mut signals = Signals::new().map_err(PushError::Runtime)?;
            let stop = Stop::default();
            let mut work = Box::pin(self.work(layers.events(), &stop));
            tokio::select! {
                done = &mut work => return done,
                _ = signals.next() => stop.stop(),
            }
            // What ends by itself now has ended well, or was told to stop.
            match timeout(FAREWELL_MAX, work).await {
                Ok(Ok(done)) => Ok(done),
                Ok(Err(_)) | Err(_) => Err(PushError::Interrupted),
            }
        })
    }

    async fn work(&self, events: &Events, stop: &Stop) -> Result<Done, PushError> {
        let began = Instant::now();
        let mut clients = HashMap::new();
        let mut images = Vec::new();
        for wanted in &self.wanted {
            images.push(self.ready(wanted, &mut clients).await?);
        }
        if self.dry_run {
            let images = self.plan(images, stop).await?;
            return Ok(Done::Planned(Plans { images }));
        }
        let images = self.push(images, events, stop).await?;
        Ok(Done::Pushed(Outcomes { images, time: began.elapsed() }))
    }

    /// Finds an image, and the place that it goes to.
    async fn ready(
        &self,
        wanted: &Wanted,
        clients: &mut HashMap<RegistryAddress, RegistryClient>,
    ) -> Result<Ready, PushError> {
        let (finder, origin) = (self.finder.clone(), wanted.origin.clone());
        let spool = self.finder.surroundings.spool.clone();
        let is_named = wanted.renamed.is_some();
        let found = blocking(move || {
            let found = finder.find(&origin)?;
            if is_named || !found.described.names.is_empty() || found.place.is_open() {
                return Ok(found);
            }
            // Where it goes stands in the archive, so all of it is read before a registry is asked.
            match found.place {
                Place::Engine(..) => Ok(found),
                place => Ok(place.open(everything, &spool).map(Found::of_file)?),
            }
        });
        let found = found.await?;
        let name = match &wanted.renamed {
            Some(name) => name.clone(),
            None => name_of(&wanted.typed, &wanted.origin, &found.described)?,
        };
        let destination = self.finder.registries.destination(&name)?;
        self.warn_of_platform(wanted, &found.described, &destination);
        let client = match clients.get(&destination.registry) {
            Some(client) => client.clone(),
            None => self.connect(&destination.registry)?,
        };
        clients.insert(destination.registry.clone(), client.clone());
        Ok(Ready { wanted: wanted.clone(), found, destination, client })
    }

    fn connect(&self, address: &RegistryAddress) -> Result<RegistryClient, PushError> {
        let (mut trust, mut address) = (self.trust.clone(), address.clone());
        // What is on this machine needs no rules, and no time to read them.
        if !address.is_local() {
            address = by_rules(address, &mut trust)?;
        }
        let credentials = self.credentials.clone();
        let options = Options { trust, credentials, pushes: true, ..Options::default() };
        Ok(RegistryClient::connect(address, options)?)
    }

    fn warn_of_platform(&self, wanted: &Wanted, image: &Described, destination: &Destination) {
        let Some(platform) = image.platform.as_ref().filter(|_| destination.pods.is_some()) else {
            return;
        };
        let own = own_architecture();
        if !platform.architecture.is_empty() && platform.architecture != own {
            self.finder.voice.warn(format_args!(
                "{} is for {}/{}, and this machine is {own}: its pods may not start",
                wanted.typed, platform.os, platform.architecture
            ));
        }
    }
}

/// What this machine is called in images.
fn own_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Runs what waits for disks and programs beside the runtime.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PushError> + Send + 'static,
) -> Result<T, PushError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and with it everything that was asked for.
            Err(_) => Err(PushError::Interrupted),
        },
    }
}
