//! The command line: which subcommands there are, and which function runs each.
//!
//! A subcommand's own flags, help and work stand in `cli/<name>.rs`. Nothing here reads a setting or
//! prints a result.

pub mod amount;
pub mod bench;
pub mod build;
pub mod completion;
pub mod credentials;
pub mod demo;
pub mod deploy;
pub mod doctor;
pub mod down;
pub mod finder;
pub mod garbage_collect;
pub mod healthcheck;
pub mod image;
pub mod init;
pub mod load;
pub mod login;
pub mod logout;
pub mod ls;
pub mod old_image;
pub mod progress;
pub mod project_args;
pub mod push;
pub mod registries;
pub mod remote;
pub mod rm;
pub mod serve;
pub mod setup_args;
pub mod status;
pub mod table;
pub mod up;
pub mod usage;
pub mod voice;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::failure::Failure;
use crate::report::Report;

const EXAMPLES: &str = "\
Examples:
  wharf demo                           see what it does, on this machine alone
  wharf serve                          a registry on 127.0.0.1:5000
  wharf serve --listen 127.0.0.1:5001  the same on another port
  wharf serve --help                   every setting, with its default
  wharf push app:1                     an image of Podman's into that registry
  wharf ls                             the repositories of the running registry
  wharf completion bash > ~/.local/share/bash-completion/completions/wharf";

/// A container registry for local clusters.
///
/// Wharf takes the place of the registry:2 container: the same port, the same volume, the same
/// REGISTRY_* variables, in one small program.
#[derive(Debug, Parser)]
#[command(name = "wharf", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    /// Write results as JSON, for other programs to read
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

/// The subcommands.
///
/// To add one: write `cli/<name>.rs` with `pub struct <Name>Args` (derives `clap::Args`) and
/// `pub fn run(args: <Name>Args, report: &Report) -> Result<(), Failure>`; then one line for its
/// module above, one line here (the doc comment is its help), one arm in [`Cli::run`], and one
/// variant for its error in [`Failure`], where the compiler asks for a hint and an exit code.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set up registry and cluster, and wire them
    ///
    /// Makes what is missing and mends what is broken: the network, the registry's container, the
    /// Kind cluster, and the files on its nodes that lead their pulls to the registry. Can be run at any
    /// time, and changes nothing where everything stands.
    Up(Box<up::UpArgs>),
    /// Take down what `up` made
    Down(down::DownArgs),
    /// Show what stands: registry, clusters, nodes
    Status(status::StatusArgs),
    /// Find out what is wrong, and mend it
    Doctor(doctor::DoctorArgs),
    /// Write wharf.toml for the project in this folder
    Init(init::InitArgs),
    /// Build the project's images
    Build(build::BuildArgs),
    /// Apply the project's manifests, and wait until the pods run
    Deploy(Box<deploy::DeployArgs>),
    /// Load images into the nodes, past any registry
    Load(Box<load::LoadArgs>),
    /// Run the registry
    ///
    /// Serves images to containerd, Podman and others until it is told to stop, and takes what they
    /// push. Everything is kept in one folder, in the format of registry:2.
    Serve(Box<serve::ServeArgs>),
    /// Serve, push, pull and check, all on this machine
    Demo(demo::DemoArgs),
    /// Pack this program into its own container image
    Image(image::ImageArgs),
    /// Push images to a registry
    ///
    /// Finds the image that was just built, sends what the registry lacks, and prints the name to
    /// write into the Kubernetes manifest.
    Push(Box<push::PushArgs>),
    /// Log in to a registry
    ///
    /// Tries the user and the password, and keeps them where Podman, Skopeo and `wharf push` find
    /// them: in Podman's auth.json, or in the program that it names.
    Login(login::LoginArgs),
    /// Log out of a registry
    Logout(logout::LogoutArgs),
    /// List repositories, or the tags of one
    Ls(ls::LsArgs),
    /// Remove a tag, a manifest or a repository's tags
    Rm(rm::RmArgs),
    /// Tell whether the registry of this container is ready
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Tell how much a store holds, and how much room is left
    Usage(usage::UsageArgs),
    /// Measure what registries cost: pulls, pushes, small requests, and the loop of a developer
    Bench(Box<bench::BenchArgs>),
    /// Print a completion script for a shell
    Completion(completion::CompletionArgs),
    /// Kept for command lines written for registry:2
    #[command(hide = true)]
    GarbageCollect(garbage_collect::GarbageCollectArgs),
}

impl Cli {
    /// Reads a command line, also one that was written for registry:2's image.
    pub fn read(line: impl IntoIterator<Item = OsString>) -> Result<Self, Failure> {
        let mut command = without_empty_variables(Self::command());
        let matches = command.try_get_matches_from_mut(old_image::translate(line))?;
        Ok(Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?)
    }

    /// Runs the subcommand to its end.
    pub fn run(self) -> Result<(), Failure> {
        let report = Report::new(self.json);
        match self.command {
            Command::Up(args) => up::run(*args, &report),
            Command::Down(args) => down::run(args, &report),
            Command::Status(args) => status::run(args, &report),
            Command::Doctor(args) => doctor::run(args, &report),
            Command::Init(args) => init::run(args, &report),
            Command::Build(args) => build::run(args, &report),
            Command::Deploy(args) => deploy::run(*args, &report),
            Command::Load(args) => load::run(*args, &report),
            Command::Serve(args) => serve::run(*args, &report),
            Command::Demo(args) => demo::run(args, &report),
            Command::Image(args) => image::run(args, &report),
            Command::Push(args) => push::run(*args, &report),
            Command::Login(args) => login::run(args, &report),
            Command::Logout(args) => logout::run(args, &report),
            Command::Ls(args) => ls::run(args, &report),
            Command::Rm(args) => rm::run(args, &report),
            Command::Healthcheck(args) => healthcheck::run(args, &report),
            Command::Usage(args) => usage::run(args, &report),
            Command::Bench(args) => bench::run(*args, &report),
            Command::Completion(args) => completion::run(args, &report),
            Command::GarbageCollect(args) => garbage_collect::run(args),
        }
    }
}

/// A variable that is set to nothing says nothing, as in a shell's `WHARF_REGISTRY= wharf push`.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &clap::Arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        value.is_some_and(|value| value.is_empty())
    };
    let without = |arg: clap::Arg| match is_empty(&arg) {
        true => arg.env(clap::builder::Resettable::Reset),
        false => arg,
    };
    command.mut_args(without).mut_subcommands(without_empty_variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
