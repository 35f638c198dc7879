//! One registry that is measured: its name in the results, how it is spoken to, its process where that
//! can be seen, and the repository that the benchmark has there.

use std::cell::OnceCell;

use wharf_client::RegistryClient;
use wharf_load::content::Blobs;
use wharf_load::{Contents, Image, LoadError, PullImage, ServerProcess, Stop, Target};
use wharf_oci::{Reference, RepositoryName, Tag};

use super::guest::{Guest, Written};
use super::{BenchError, Limits};
use crate::cli::remote::ask;
use crate::cli::voice::Voice;

/// A registry that is measured.
#[derive(Debug)]
pub struct Site {
    label: String,
    client: RegistryClient,
    server: Option<ServerProcess>,
    guest: Guest,
    stop: Stop,
    anywhere: bool,
    /// The target, where nothing about it ends: no login is asked for.
    lasting: OnceCell<Target>,
}

impl Site {
    /// A registry that this client talks to, called `label` in the results; nothing is asked yet.
    ///
    /// # Errors
    /// It is not on loopback, unless `anywhere` says that this is meant; or its host is unknown.
    pub fn new(
        label: String,
        client: RegistryClient,
        server: Option<ServerProcess>,
        stop: Stop,
        anywhere: bool,
    ) -> Result<Self, BenchError> {
        let (guest, lasting) = (Guest::new()?, OnceCell::new());
        let site = Self { label, client, server, guest, stop, anywhere, lasting };
        Target::resolve(&site.client.authority(), anywhere).map_err(|it| site.failed(it))?;
        Ok(site)
    }

    /// Its name in the results.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// How commands talk to it.
    pub fn client(&self) -> &RegistryClient {
        &self.client
    }

    /// Whether a person has ended the benchmark.
    ///
    /// # Errors
    /// That is so.
    pub fn go_on(&self) -> Result<(), BenchError> {
        if self.stop.is_set() { Err(BenchError::Interrupted) } else { Ok(()) }
    }

    /// Its process, if it is on this machine and was named.
    pub fn server(&self) -> Option<&ServerProcess> {
        self.server.as_ref()
    }

    /// What the benchmark writes there.
    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    /// How the benchmark's own repository is read and written.
    ///
    /// # Errors
    /// The registry does not answer, or does not let in who is asking.
    pub fn target(&self) -> Result<Target, BenchError> {
        self.target_of(self.guest.name(), true)
    }

    /// How a repository is read, and maybe written.
    ///
    /// # Errors
    /// The registry does not answer, or does not let in who is asking.
    pub fn target_of(&self, name: &RepositoryName, writes: bool) -> Result<Target, BenchError> {
        if let Some(target) = self.lasting.get() {
            return Ok(target.clone());
        }
        let way = ask(async { Ok(self.client.way(name, writes).await?) })?;
        let target = Target::resolve(&way.authority, self.anywhere);
        let target = target
            .map_err(|source| self.failed(source))?
            .with_tls(way.is_tls, way.tls)
            .with_stop(self.stop.clone());
        match way.authorization {
            Some(_) => Ok(target.with_authorization(way.authorization)),
            None => Ok(self.lasting.get_or_init(|| target).clone()),
        }
    }

    /// Puts an image of one layer, the blob 0, into the benchmark's own repository, if it is not there
    /// already. With `verify`, it is read back once.
    ///
    /// # Errors
    /// The registry does not take it, or gives back something else.
    pub fn furnish(&self, blobs: &Blobs, limits: &Limits) -> Result<Image, BenchError> {
        let name = self.guest.name().clone();
        let image = Image::of(name.clone(), tag_of(blobs), blobs, 1);
        let parts = image.layers.iter().chain([&image.configuration]).copied();
        let parts = parts.map(Written::Blob).chain([Written::Manifest(image.manifest)]);
        if !self.guest.remember(parts) {
            return Ok(image);
        }
        let target = self.target()?;
        let push = || {
            Image::push(&target, name.clone(), image.tag.clone(), blobs, 1)?;
            if !limits.verify {
                return Ok(());
            }
            let reference = Reference::Tag(image.tag.clone());
            let contents = Contents::find(&target, &name, &reference, ("", ""))?;
            if let Some(found) = contents.digest().filter(|found| *found != image.manifest) {
                let (expected, found) = (image.manifest.into(), found.into());
                return Err(LoadError::Corrupt { expected, found });
            }
            let (bytes_max, time_max) = (limits.bytes_max, limits.time_max);
            let (target, name) = (target.clone(), name.clone());
            let (clients, time, verify) = (1, std::time::Duration::ZERO, true);
            PullImage { target, name, contents, clients, time, bytes_max, time_max, verify }
                .measure(&self.label, None)
                .map(drop)
        };
        push().map_err(|source| self.failed(source))?;
        Ok(image)
    }

    /// A failure of a measurement of this registry.
    pub fn failed(&self, source: LoadError) -> BenchError {
        match source {
            LoadError::NotLoopback { address } => {
                BenchError::NotLoopback { address: address.to_string() }
            }
            LoadError::Stopped => BenchError::Interrupted,
            source => BenchError::Load { server: self.label.clone(), source },
        }
    }

    /// Removes what was written there, and names what stays.
    pub fn leave(&self, voice: &Voice) {
        if self.guest.is_empty() {
            return;
        }
        match self.target() {
            Ok(target) => self.guest.leave(&self.label, &target.with_stop(Stop::default()), voice),
            Err(error) => voice.warn(format_args!(
                "{}: the repository {} stays as it is: {}",
                self.label,
                self.guest.name(),
                crate::failure::told(&error)
            )),
        }
    }
}

/// A tag for the image of these blobs.
#[expect(clippy::expect_used, reason = "a letter and a number are a tag")]
fn tag_of(blobs: &Blobs) -> Tag {
    format!("b{}", blobs.size()).parse().expect("a tag")
}
