//! Finding the image that was typed, and having it read: from Podman's store in place where that can
//! be, through the engine where it cannot, from files where a file was named.

pub mod engine;
pub mod error;
pub mod name;
pub mod origin;
pub mod surroundings;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_oci::{Digest, ImageReference};
use wharf_pusher::source::archive::ArchiveSource;
use wharf_pusher::source::layout::LayoutSource;
use wharf_pusher::source::podman::PodmanSource;
use wharf_pusher::source::{ImageSource, SourceError, saved};
use wharf_storage_reader::{Error as StoreError, Location, Store};

use super::push::destination::Registries;
use super::voice::Voice;
use crate::failure::told;
use crate::process::{RunError, Runner};
use engine::{Described, Engine};
use origin::Origin;
use surroundings::Surroundings;

pub use error::FindError;

/// An image, found but not read.
#[derive(Debug, Clone)]
pub struct Found {
    /// What is known of it.
    pub described: Described,
    /// How it can be had.
    pub place: Place,
}

/// How an image can be had, the fastest first.
#[derive(Debug, Clone)]
pub enum Place {
    /// It was opened where it lies.
    Open(Arc<dyn ImageSource>),
    /// The engine has to write it out.
    Engine(Engine, String),
    /// It lies in an archive, which has to be read.
    Archive(PathBuf, Option<String>),
    /// It comes on standard input.
    Input,
}

/// What looks for images.
#[derive(Debug, Clone)]
pub struct Finder {
    /// Values of the environment.
    pub surroundings: Surroundings,
    /// `--storage-root`.
    pub storage_root: Option<PathBuf>,
    /// Why the store is not to be read, if it is not; then the engine is asked.
    pub leaves_store: Option<String>,
    /// The names of the local registry.
    pub registries: Registries,
    /// What starts programs.
    pub runner: Arc<dyn Runner>,
    /// Who is told why.
    pub voice: Voice,
}

impl Finder {
    /// Finds an image. Blocks for the reading of small files, or for a program where the image is
    /// not to be seen from here.
    ///
    /// # Errors
    /// There is no such image, or it cannot be read.
    pub fn find(&self, origin: &Origin) -> Result<Found, FindError> {
        match origin {
            Origin::Engine(typed) => self.find_in_engine(typed),
            Origin::Layout(path, reference) => {
                let source = LayoutSource::open(path, reference.as_deref())?;
                let mut found = Found::of_file(Arc::new(source));
                // What it was asked for by is what it is meant to be called.
                if let Some(name) = reference.as_deref().filter(|name| is_name(name)) {
                    found.described.names = vec![name.to_owned()];
                }
                Ok(found)
            }
            Origin::Archive(path, reference) => {
                let name = reference.as_deref().filter(|name| is_name(name));
                let names = name.map(str::to_owned).into_iter().collect();
                let described = Described { names, ..Described::default() };
                Ok(Found { described, place: Place::Archive(path.clone(), reference.clone()) })
            }
            Origin::Input if io::stdin().is_terminal() => Err(FindError::NoInput),
            Origin::Input => Ok(Found { described: Described::default(), place: Place::Input }),
        }
    }

    fn find_in_engine(&self, typed: &str) -> Result<Found, FindError> {
        if typed.is_empty()
            && let Err(source) = typed.parse::<ImageReference>()
        {
            return Err(FindError::Name { typed: String::new(), source });
        }
        let reason = match &self.leaves_store {
            Some(reason) => reason.clone(),
            None => match self.store().and_then(|store| self.find_in_store(&store, typed)) {
                Err(error) if self.can_ask_instead(&error) => told(&error),
                found => return found,
            },
        };
        let Some(engine) = Engine::on_path(self.surroundings.path.as_deref(), &self.runner) else {
            return Err(FindError::NoEngine { image: typed.to_owned(), reason });
        };
        self.voice.explain(format_args!("{typed}: asking {}, since {reason}", engine.name()));
        self.ask(engine, typed)
    }

    /// Does work that reads images, and if it turns out that this user cannot read the store's files,
    /// once more by a way that may: through the engine, or in Podman's user namespace. `found` tells
    /// which of the work's errors are those of finding.
    ///
    /// # Errors
    /// The work's, on the last way.
    pub fn reading<T, E: std::error::Error + From<FindError> + 'static>(
        &self,
        origins: &[&Origin],
        work: impl Fn(&Self) -> Result<T, E>,
        found: impl Fn(&E) -> Option<&FindError>,
    ) -> Result<T, E> {
        let error = match work(self) {
            Err(error) => error,
            done => return done,
        };
        let cause: &(dyn std::error::Error + 'static) = match found(&error) {
            Some(error) => error,
            None => &error,
        };
        // The store may turn out to hold what only Podman can read: then Podman reads it.
        if needs_podman(cause) && self.can_leave_store() {
            let reason = told(&error);
            self.voice.explain(format_args!("once more through Podman, since {reason}"));
            return work(&Self { leaves_store: Some(reason), ..self.clone() });
        }
        let reads_store = origins.iter().any(|origin| matches!(origin, Origin::Engine(_)));
        if reads_store && self.surroundings.can_unshare() && is_forbidden(cause) {
            match self.unshare() {
                // What was said first is then all that there is to say.
                RunError::Missing { .. } => {}
                failure => return Err(FindError::Unshare(failure).into()),
            }
        }
        Err(error)
    }

    /// Goes on as the user who can read the store's files; comes back only if that failed.
    fn unshare(&self) -> RunError {
        self.voice.explain("the store's files belong to mapped users: on under `podman unshare`");
        let own = std::env::current_exe().map_or_else(|_| "wharf".into(), OsString::from);
        let words = std::env::args_os().skip(1).collect();
        engine::go_on_unshared(&*self.runner, own, words)
    }

    /// Whether the engine can be asked in the place of the store.
    fn can_leave_store(&self) -> bool {
        self.leaves_store.is_none() && self.storage_root.is_none()
    }

    /// Whether the engine may have what the store does not give.
    fn can_ask_instead(&self, error: &FindError) -> bool {
        match error {
            // The one place that was asked for; Podman would look into its own.
            _ if self.storage_root.is_some() => false,
            FindError::Location(_) | FindError::Store(StoreError::Absent { .. }) => true,
            FindError::Store(StoreError::Unreadable { .. }) => !self.surroundings.can_unshare(),
            _ => needs_podman(error),
        }
    }

    fn store(&self) -> Result<Arc<Store>, FindError> {
        let location = Location::find(&self.surroundings.lookup(self.storage_root.clone()))?;
        Ok(Arc::new(Store::open(location)?))
    }

    fn find_in_store(&self, store: &Arc<Store>, typed: &str) -> Result<Found, FindError> {
        let mut unknown = None;
        for name in self.registries.names_in_store(typed) {
            let record = match store.find(&name) {
                Ok(record) => record,
                // The message is that of what was typed.
                Err(error @ StoreError::ImageUnknown { .. }) => {
                    unknown.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let source = PodmanSource::open(Arc::clone(store), &name)?;
            let described = Described {
                id: source.image().id,
                names: record.names,
                platform: source.image().platform.clone(),
            };
            self.voice.explain(format_args!("{typed}: read in place, in {}", source.origin()));
            return Ok(Found::open(Arc::new(source), described));
        }
        Err(unknown
            .map_or_else(|| FindError::Unnamed { image: typed.to_owned() }, FindError::Store))
    }

    fn ask(&self, engine: Engine, typed: &str) -> Result<Found, FindError> {
        let mut failure = None;
        for name in self.registries.names_in_store(typed) {
            match engine.describe(&name) {
                Ok(described) => {
                    return Ok(Found { described, place: Place::Engine(engine, name) });
                }
                Err(error) => failure = Some(error),
            }
        }
        let (image, nearest) = (typed.to_owned(), engine.nearest(typed));
        let engine = engine.name();
        Err(match failure {
            Some(source) => FindError::Engine { engine, image, nearest, source },
            None => FindError::Unnamed { image },
        })
    }
}

/// For a registry that cannot be asked yet: it lacks everything.
pub fn everything(_: &Digest) -> bool {
    true
}

impl Found {
    /// An image whose archive was read.
    pub fn of_file(source: Arc<dyn ImageSource>) -> Self {
        let image = source.image();
        let described = Described {
            id: image.id,
            names: source.names().iter().filter(|name| is_name(name)).cloned().collect(),
            platform: image.platform.clone(),
        };
        Self { described, place: Place::Open(source) }
    }

    fn open(source: Arc<dyn ImageSource>, described: Described) -> Self {
        Self { described, place: Place::Open(source) }
    }

    /// Whether the image is one of Podman's, so that a registry which sees its store may have it.
    pub fn is_podmans(&self, origin: &Origin) -> bool {
        match &self.place {
            Place::Open(_) => matches!(origin, Origin::Engine(_)),
            Place::Engine(engine, _) => engine.is_podman(),
            Place::Archive(..) | Place::Input => false,
        }
    }
}

impl Place {
    /// Whether nothing has to be read before the image can be pushed.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// The image, to be read from now on. Blocks while what cannot be read twice goes by; `lacks`
    /// tells what of it the registry does not have.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(
        self,
        lacks: impl Fn(&Digest) -> bool,
        spool: &Path,
    ) -> Result<Arc<dyn ImageSource>, FindError> {
        let source = match self {
            Self::Open(source) => return Ok(source),
            Self::Archive(path, reference) => {
                ArchiveSource::open(&path, reference.as_deref(), lacks, spool)?
            }
            Self::Input => ArchiveSource::read(std::io::stdin(), None, lacks, spool)?,
            Self::Engine(engine, image) => {
                let export = engine.save(&image).map_err(|source| FindError::Engine {
                    engine: engine.name(),
                    image: image.clone(),
                    nearest: Vec::new(),
                    source,
                })?;
                saved::read(&image, export, lacks, spool)?
            }
        };
        Ok(Arc::new(source))
    }
}

/// Whether a name in a file names a repository: a bare tag, as layouts have it, does not.
fn is_name(text: &str) -> bool {
    text.contains([':', '/']) && text.parse::<ImageReference>().is_ok()
}

/// Whether the layers of the store can be read by the engine alone.
fn needs_podman(error: &(dyn std::error::Error + 'static)) -> bool {
    // What is transparent is not among the causes.
    if let Some(FindError::Source(error)) = error.downcast_ref() {
        return error.needs_podman();
    }
    has_cause(error, |cause| {
        cause.downcast_ref::<SourceError>().is_some_and(SourceError::needs_podman)
    })
}

/// Whether something could not be read for want of rights.
fn is_forbidden(error: &(dyn std::error::Error + 'static)) -> bool {
    has_cause(error, |cause| {
        let store = cause.downcast_ref::<StoreError>();
        let system = cause.downcast_ref::<io::Error>();
        store.is_some_and(|error| matches!(error, StoreError::Unreadable { .. }))
            || system.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    })
}

/// Whether the error, or one below it, is of a kind.
fn has_cause(
    error: &(dyn std::error::Error + 'static),
    is_it: impl Fn(&(dyn std::error::Error + 'static)) -> bool + Copy,
) -> bool {
    // An error inside one of the system's is not among its causes.
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    is_it(error)
        || inner.is_some_and(|inner| has_cause(inner, is_it))
        || error.source().is_some_and(|cause| has_cause(cause, is_it))
}
