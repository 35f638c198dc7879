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
use super::engine::Described;
use super::error::PushError;
use super::found::{Finder, Found, Place, everything, is_forbidden};
use super::origin::Origin;
use super::outcome::Outcomes;
use super::plan::Plans;
use super::road::Via;
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
    /// The same job, without reading the store.
    pub fn leaving_store(&self, reason: String) -> Self {
        let finder = Finder { leaves_store: Some(reason), ..self.finder.clone() };
        Self { finder, ..self.clone() }
    }

    /// Whether it failed since this user may not read the store's files, and may do so elsewhere.
    pub fn is_barred_by(&self, error: &PushError) -> bool {
        let reads_store = self.wanted.iter().any(|it| matches!(it.origin, Origin::Engine(_)));
        reads_store && self.finder.surroundings.can_unshare() && is_forbidden(error)
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
                place => place.open(everything, &spool).map(Found::of_file),
            }
        });
        let found = found.await?;
        let name = name_of(wanted, &found.described)?;
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

/// The name under which an image goes: the new one, or the one that was typed, or, where an id or a
/// digest was typed, the only one that it has.
fn name_of(wanted: &Wanted, image: &Described) -> Result<ImageReference, PushError> {
    if let Some(name) = &wanted.renamed {
        return Ok(name.clone());
    }
    let typed = match &wanted.origin {
        Origin::Engine(typed) => Some(typed.parse::<ImageReference>()),
        _ => None,
    };
    if let Some(Ok(typed)) = &typed
        && image.names.iter().any(|name| is_meant(name, typed))
    {
        return Ok(typed.clone());
    }
    match &image.names[..] {
        [name] => name.parse().map_err(|source| PushError::Name { typed: name.clone(), source }),
        [] => Err(PushError::Unnamed { image: wanted.typed.clone() }),
        names => Err(PushError::ManyNames { image: wanted.typed.clone(), names: names.to_vec() }),
    }
}

/// Whether an image of this full name can be meant by what was typed: an id never is.
fn is_meant(name: &str, typed: &ImageReference) -> bool {
    let Ok(name) = name.parse::<ImageReference>() else { return false };
    let (full, typed_name) = (name.name.as_str(), typed.name.as_str());
    let rest = full.strip_suffix(typed_name);
    let is_end = rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
    let tag = typed.tag.as_ref().map_or("latest", |tag| tag.as_str());
    is_end && (typed.digest.is_some() || name.tag.is_some_and(|own| own.as_str() == tag))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(typed: &str) -> Wanted {
        Wanted { typed: typed.into(), origin: Origin::of(typed), renamed: None }
    }

    fn named<const N: usize>(names: [&str; N]) -> Described {
        Described { names: names.map(str::to_owned).to_vec(), ..Described::default() }
    }

    #[test]
    fn an_image_goes_by_the_name_that_was_typed() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let with_digest = format!("app@{digest}");
        for (typed, name, expected) in [
            ("app:v1", "localhost/app:v1", "app:v1"),
            ("app", "docker.io/library/app:latest", "app"),
            ("localhost:5000/app:v1", "localhost/app:v1", "localhost:5000/app:v1"),
            ("team/app:v1", "ghcr.io/team/app:v1", "team/app:v1"),
            (&with_digest, "localhost/app:v1", &with_digest),
            // An id that looks like a name is none of the image's names.
            ("0123456789ab", "localhost/app:v1", "localhost/app:v1"),
            ("ap", "localhost/app:v1", "localhost/app:v1"),
        ] {
            let found = name_of(&wanted(typed), &named([name])).unwrap();
            assert_eq!(found.to_string(), expected, "{typed}");
        }
    }

    #[test]
    fn an_image_without_one_name_needs_a_new_one() {
        let two = named(["localhost/app:v1", "localhost/app:v2"]);
        let error = name_of(&wanted("0123456789ab"), &two).unwrap_err();
        assert!(matches!(error, PushError::ManyNames { .. }), "{error}");
        let error = name_of(&wanted("0123456789ab"), &named([])).unwrap_err();
        assert!(matches!(error, PushError::Unnamed { .. }), "{error}");
        let renamed = Wanted { renamed: "new:1".parse().ok(), ..wanted("0123456789ab") };
        assert_eq!(name_of(&renamed, &two).unwrap().to_string(), "new:1");
        // A name that was typed says which of two it is.
        assert_eq!(name_of(&wanted("app:v2"), &two).unwrap().to_string(), "app:v2");
    }
}
