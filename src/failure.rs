//! What a person is told when wharf cannot do something: what happened, to what, why, and what to do
//! about it; and the exit code that a script sees.
//!
//! The words of what happened are the errors' own; here each gets its hint and its code, in one
//! exhaustive match.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use wharf_registry::{LockError, OpenError, ServeError};

use crate::bench::BenchError;
use crate::cli::healthcheck::HealthError;
use crate::cli::image::ImageError;
use crate::cli::load::LoadFailure;
use crate::cli::login::LoginError;
use crate::cli::push::PushError;
use crate::cli::remote::RemoteError;
use crate::cli::usage::UsageError;
use crate::config::{self, ingest, variable};
use crate::demo::DemoError;
use crate::deploy::DeployError;
use crate::holder;
use crate::project::ProjectError;
use crate::report::harmless;
use crate::setup::SetupError;

/// Everything that a subcommand can end with, but for success.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line is wrong, or asks for help or the version: clap writes it itself.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// The settings of `wharf serve` are wrong.
    #[error(transparent)]
    Settings(#[from] config::Error),
    /// The registry cannot start, or stopped by itself.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The threads of the program cannot be started.
    #[error("cannot start the threads of the registry")]
    Runtime(#[source] io::Error),
    /// The signals that end the registry cannot be waited for.
    #[error("cannot wait for the signals that end the registry")]
    Signals(#[source] io::Error),
    /// A second signal came while the registry was finishing its requests.
    #[error("cannot finish the requests that are running: told to stop at once")]
    Interrupted,
    /// `garbage-collect`, as registry:2 has it.
    #[error("cannot collect garbage: wharf does not do that yet")]
    NoGarbageCollection,
    /// There is no image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The demo did not come to its end.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// A running registry did not do what it was asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// An image is not in the registry that it was to go to.
    #[error(transparent)]
    Push(#[from] PushError),
    /// Images are not on the nodes that they were to go to.
    #[error(transparent)]
    Load(#[from] LoadFailure),
    /// There is no login, or it cannot be taken away.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The setup does not stand, or cannot be taken down.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// There is no project, or it is wrong, or it cannot be built.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A project is not deployed, or does not start.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// There are no figures.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// The registry is not known to be ready.
    #[error(transparent)]
    Health(#[from] HealthError),
    /// A store cannot be looked at.
    #[error(transparent)]
    Store(#[from] UsageError),
    /// A result cannot be written to stdout.
    #[error("cannot write the result")]
    Output(#[from] io::Error),
}

/// How a run ended, as a script sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// It failed although it was asked for rightly.
    Failed = 1,
    /// The command line or a setting is wrong.
    Misused = 2,
    /// A person ended it, as shells tell of SIGINT.
    Ended = 130,
}

use Exit::{Ended, Failed, Misused};

impl Failure {
    /// The exit code, and what the person can do.
    fn advice(&self) -> (Exit, Option<String>) {
        match self {
            Self::Usage(_) => (Misused, None),
            Self::Settings(error) => (Misused, of_settings(error)),
            Self::Serve(error) => of_serve(error),
            Self::Runtime(_) => (Failed, hint("look at the limits of processes and memory")),
            Self::Signals(_) => (Failed, None),
            Self::Interrupted => {
                (Failed, hint("pushes that were cut off can be sent again; nothing stored is lost"))
            }
            Self::NoGarbageCollection => (
                Misused,
                hint("nothing was deleted; tags, manifests and blobs can be deleted by the API"),
            ),
            Self::Image(error) => (Failed, error.hint().and_then(hint)),
            Self::Demo(DemoError::Serve(error)) => of_serve(error),
            Self::Demo(_) => (Failed, None),
            Self::Remote(RemoteError::Address(_)) => (Misused, None),
            Self::Remote(error) => (Failed, error.hint()),
            Self::Login(error) if error.is_misuse() => (Misused, error.hint()),
            Self::Login(error) => (Failed, error.hint()),
            Self::Load(error) if error.is_misuse() => (Misused, error.hint()),
            Self::Load(error) => (Failed, error.hint()),
            Self::Push(PushError::Interrupted) => (Ended, None),
            Self::Push(error) if error.is_misuse() => (Misused, error.hint()),
            Self::Push(error) => (Failed, error.hint()),
            Self::Setup(error) if error.is_misuse() => (Misused, error.hint()),
            Self::Setup(error) => (Failed, error.hint()),
            Self::Project(error) if error.is_misuse() => (Misused, error.hint()),
            Self::Project(error) => (Failed, error.hint()),
            Self::Deploy(error) if error.is_misuse() => (Misused, error.hint()),
            Self::Deploy(error) => (Failed, error.hint()),
            Self::Bench(BenchError::Interrupted) => (Ended, None),
            Self::Bench(error) if error.is_misuse() => (Misused, error.hint()),
            Self::Bench(error) => (Failed, error.hint()),
            Self::Health(_) => (Failed, None),
            Self::Store(_) => (Misused, hint("name another folder: wharf usage --root FOLDER")),
            Self::Output(_) => (Failed, None),
        }
    }

    /// The text for stderr.
    fn text(&self) -> String {
        let mut text = format!("wharf: {}", told(self));
        if let (_, Some(hint)) = self.advice() {
            text.push_str(&format!("\nhint: {hint}"));
        }
        text
    }
}

/// Says on stderr how the run ended, and gives its exit code.
pub fn exit(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Help and the version are what was asked for, and go to stdout.
        Err(Failure::Usage(usage)) => {
            _ = usage.print();
            if usage.use_stderr() { ExitCode::from(Misused as u8) } else { ExitCode::SUCCESS }
        }
        Err(failure) => {
            _ = writeln!(io::stderr().lock(), "{}", failure.text());
            ExitCode::from(failure.advice().0 as u8)
        }
    }
}

/// An error and its causes, in one line.
pub fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    harmless(&text)
}

fn hint(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn of_settings(error: &config::Error) -> Option<String> {
    use config::Error as E;
    let meant = |nearest: &Option<String>| match nearest {
        Some(nearest) => hint(&format!("{nearest} may be meant; `wharf serve --help` names all")),
        None => hint("`wharf serve --help` names every setting"),
    };
    match error {
        E::Value { setting, .. } => {
            hint(&format!("`wharf serve --help` tells what --{setting} is for"))
        }
        E::UnknownKey { nearest, .. } | E::UnknownVariable { nearest, .. } => meant(nearest),
        E::NotText { .. } => None,
        E::ReadFile { .. } => {
            hint(&format!("name another file by --config or {}, or none", variable::FILE))
        }
        E::Toml { .. } => hint("each line is `key = value`, as in: manifest-size-max = \"8MiB\""),
        E::Refused { .. } => {
            hint("wharf does not start half protected; without these settings it does start")
        }
        E::OldFile { .. } | E::OldFileLine { .. } => {
            hint("set the variables, and leave the file out of the command line or the container")
        }
        E::Alone { missing: ingest::SECRET, .. } | E::Secret { .. } => hint(
            "make one: head -c 32 /dev/urandom | base64 > FILE; chmod 600 FILE; then name FILE by \
             --ingest-secret, here and to `wharf push`",
        ),
        E::Alone { .. } => hint(
            "name the folder in which overlay, overlay-images and overlay-layers of Podman's store \
             are mounted, by --containers-storage",
        ),
        E::ReadSecret { .. } => {
            hint("name another file by --ingest-secret, or leave --containers-storage out too")
        }
        E::NoDataFolder => hint("name a folder: wharf serve --root FOLDER"),
        E::NoAddress => hint("name one: wharf serve --listen 127.0.0.1:5000"),
        E::Overlap { .. } => hint("leave one out of --listen, or give --admin-listen another port"),
    }
}

fn of_serve(error: &ServeError) -> (Exit, Option<String>) {
    match error {
        ServeError::Open(OpenError::Lock(LockError::Held { .. })) => {
            (Misused, hint("one process writes a volume: stop the other, or choose another --root"))
        }
        ServeError::Open(OpenError::Root { .. } | OpenError::Lock(LockError::Io { .. })) => (
            Misused,
            hint(
                "choose a folder that this user may write, by --root FOLDER; a mounted volume \
                  may need its owner changed, or :Z where SELinux is on",
            ),
        ),
        ServeError::Open(OpenError::Divided { .. }) => (
            Misused,
            hint(
                "mount one volume at the root, with nothing mounted below it: a blob comes to its place by a rename",
            ),
        ),
        ServeError::Open(OpenError::Prepare(_)) => {
            (Failed, hint("look at the volume: is it full, or mounted read-only?"))
        }
        ServeError::AddressInUse { address } => (Failed, Some(of_taken(*address))),
        ServeError::Listen { address, .. } => (
            Failed,
            Some(format!("choose an address of this machine, by --listen, instead of {address}")),
        ),
        ServeError::Settle(_) => (Failed, hint("look at the volume: is it full, or gone?")),
    }
}

/// What to do about an address that another program listens on.
fn of_taken(address: SocketAddr) -> String {
    let other = format!("or choose another port: wharf serve --listen 127.0.0.1:{}", free(address));
    if let Some(holder) = holder::of(address) {
        return format!("{holder} listens there; stop it, {other}");
    }
    if cfg!(target_os = "macos") && address.port() == 5000 {
        return format!(
            "macOS's AirPlay receiver listens on port 5000: turn it off in System Settings, \
             General, AirDrop & Handoff, {other}"
        );
    }
    format!("another program listens there; stop it, {other}")
}

/// A port to propose in place of a taken one: the next.
const fn free(address: SocketAddr) -> u16 {
    match address.port().checked_add(1) {
        Some(port) => port,
        None => 5001,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_commands_no_terminal() {
        let outer = "cannot read \u{1b}[31mred\u{7} \u{202e}desrever\nhere: äöü";
        let text = told(&Failure::Output(io::Error::other(outer)));
        let shown = r"cannot read \u{1b}[31mred\u{7} \u{202e}desrever";
        assert!(text.contains(shown), "{text}");
        assert!(text.ends_with("here: äöü"), "{text}");
    }
}
