//! The container engine, Podman or Docker, asked and told in the setup's nouns. What it knows comes by
//! its command line alone, so that a Podman in a virtual machine is the same as one beside us.
//!
//! Nothing here decides anything: that is for the steps.

pub mod container;
pub mod image;
pub mod info;
pub mod network;

use std::ffi::OsString;

use serde::de::DeserializeOwned;
use thiserror::Error;

use super::hand::Hand;
use crate::process::{Program, RunError};
pub use container::{Container, MountKind, Publication};
pub use image::Image;
pub use info::Info;
pub use network::Network;

/// Which engine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Podman, Kind's `podman` provider.
    Podman,
    /// Docker, Kind's `docker` provider.
    Docker,
}

impl Kind {
    /// The program, which is also Kind's name for it.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Docker => "docker",
        }
    }
}

/// Why the engine could not be asked.
#[derive(Debug, Error)]
pub enum EngineError {
    /// It does not run, or refuses.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It answers what cannot be understood.
    #[error("cannot read what `{program}` answers")]
    Answer {
        /// The command line.
        program: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// An engine.
#[derive(Debug)]
pub struct Engine {
    kind: Kind,
    hand: Hand,
}

impl Engine {
    /// The engine of a kind, asked and told by a hand.
    pub fn new(kind: Kind, hand: Hand) -> Self {
        Self { kind, hand }
    }

    /// Which it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What asks it and changes it.
    pub fn hand(&self) -> &Hand {
        &self.hand
    }

    /// A command line of it.
    pub fn program<A: Into<OsString>>(&self, words: impl IntoIterator<Item = A>) -> Program {
        Program::new(self.kind.program(), words)
    }

    /// Has it do something that changes what stands.
    ///
    /// # Errors
    /// It does not run, or refuses.
    pub fn act<A: Into<OsString>>(
        &self,
        words: impl IntoIterator<Item = A>,
    ) -> Result<(), EngineError> {
        Ok(self.hand.act(&self.program(words)).map(drop)?)
    }

    /// Has a container run that stands still, whether it ended or was paused.
    ///
    /// # Errors
    /// It does not run, or refuses.
    pub fn start(&self, container: &Container) -> Result<(), EngineError> {
        let verb = if container.is_paused { "unpause" } else { "start" };
        self.act([verb, &container.name])
    }

    /// What a program in a container prints; it must change nothing.
    ///
    /// # Errors
    /// The container does not run, or the program fails.
    pub fn look(&self, container: &str, words: &[&str]) -> Result<String, EngineError> {
        let answer = self.hand.ask(&self.program([&["exec", container], words].concat()))?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Runs a program in a container that changes something, with `input` as its standard input.
    ///
    /// # Errors
    /// The container does not run, or the program fails.
    pub fn exec(&self, container: &str, words: &[&str], input: &[u8]) -> Result<(), EngineError> {
        if input.is_empty() {
            return self.act([&["exec", container], words].concat());
        }
        let program = self.program([&["exec", "-i", container], words].concat());
        Ok(self.hand.feed(&program, input)?)
    }

    /// What it says of itself and its machine.
    ///
    /// # Errors
    /// It does not run: it is not installed, or its virtual machine stands still.
    pub fn info(&self) -> Result<Info, EngineError> {
        info::read(self)
    }

    /// A network, if there is one of that name.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn network(&self, name: &str) -> Result<Option<Network>, EngineError> {
        Ok(self.inspected(["network", "inspect", name])?.and_then(first))
    }

    /// A container, if there is one of that name, running or not.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn container(&self, name: &str) -> Result<Option<Container>, EngineError> {
        Ok(self.inspected(["container", "inspect", name])?.and_then(first))
    }

    /// Every container, running or not, that has a label, by name.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn labelled(&self, label: &str) -> Result<Vec<Container>, EngineError> {
        self.containers(&self.listed(&["--all", "--filter", &format!("label={label}")])?)
    }

    /// Every container that runs, by name.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn running(&self) -> Result<Vec<Container>, EngineError> {
        self.containers(&self.listed(&[])?)
    }

    /// The names of all containers on a network, running or not.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn on_network(&self, network: &str) -> Result<Vec<String>, EngineError> {
        self.listed(&["--all", "--filter", &format!("network={network}")])
    }

    /// The names of containers, those that run if nothing else is said.
    fn listed(&self, options: &[&str]) -> Result<Vec<String>, EngineError> {
        let words = [&["ps"][..], options, &["--format", "{{.Names}}"]].concat();
        let answer = self.hand.ask(&self.program(words))?;
        let mut names: Vec<_> =
            String::from_utf8_lossy(&answer).split_whitespace().map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    fn containers(&self, names: &[String]) -> Result<Vec<Container>, EngineError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let words = ["container", "inspect"].into_iter().chain(names.iter().map(String::as_str));
        let mut found: Vec<Container> = match self.inspected(words)? {
            Some(found) => found,
            // One of them has gone since they were listed; the others have not.
            None => {
                let each = names.iter().map(|name| self.container(name));
                each.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect()
            }
        };
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The last lines that a container wrote.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn log(&self, container: &str, lines: u16) -> Result<String, EngineError> {
        let program = self.program(["logs", "--tail", &lines.to_string(), container]);
        Ok(self.hand.runner().words(&program)?)
    }

    /// Whether it has a volume.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn has_volume(&self, name: &str) -> Result<bool, EngineError> {
        let found: Option<Vec<serde::de::IgnoredAny>> =
            self.inspected(["volume", "inspect", name])?;
        Ok(found.is_some())
    }

    /// An image, if it has one of that name or id.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn image(&self, name: &str) -> Result<Option<Image>, EngineError> {
        Ok(self.inspected(["image", "inspect", name])?.and_then(first))
    }

    /// The id of an image, as 64 hexadecimal digits, if it has one of that name.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn image_id(&self, name: &str) -> Result<Option<String>, EngineError> {
        Ok(self.image(name)?.map(|image| image.id))
    }

    /// The names of the containers, running or not, that are made of an image.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn users_of(&self, image: &str) -> Result<Vec<String>, EngineError> {
        let filter = format!("ancestor={image}");
        let words = ["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"];
        let answer = self.hand.ask(&self.program(words))?;
        let text = String::from_utf8_lossy(&answer);
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }

    /// Whether it has a secret. Docker, without a swarm, has none.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn has_secret(&self, name: &str) -> Result<bool, EngineError> {
        let found: Option<Vec<serde::de::IgnoredAny>> =
            self.inspected(["secret", "inspect", name])?;
        Ok(found.is_some())
    }

    /// The JSON of an `inspect`; none if there is no such thing.
    fn inspected<T: DeserializeOwned, A: Into<OsString>>(
        &self,
        words: impl IntoIterator<Item = A>,
    ) -> Result<Option<T>, EngineError> {
        let program = self.program(words);
        let answer = match self.hand.ask(&program) {
            Err(RunError::Failed { words, .. }) if is_absence(&words) => return Ok(None),
            answer => answer?,
        };
        let source = match serde_json::from_slice(&answer) {
            Ok(found) => return Ok(Some(found)),
            Err(source) => source,
        };
        Err(EngineError::Answer { program: program.to_string(), source })
    }
}

fn first<T>(found: Vec<T>) -> Option<T> {
    found.into_iter().next()
}

/// Whether an engine says that there is no such thing. Podman's and Docker's words.
fn is_absence(words: &str) -> bool {
    let words = words.to_lowercase();
    ["no such", "not found", "unable to find network", "image not known"]
        .iter()
        .any(|absence| words.contains(absence))
}
