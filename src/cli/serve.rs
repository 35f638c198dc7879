//! `wharf serve`: runs the registry until it is told to stop.
//!
//! The flags are made from the table of settings, so they cannot differ from the file's keys, the
//! variables and the document; what they mean is checked in [`crate::config`].

pub mod signals;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use tokio::sync::oneshot;
use wharf_registry::{Config, Server};

use crate::cli::serve::signals::Signals;
use crate::config::setting::{Field, Setting};
use crate::config::table::{FOR_FEW, SETTINGS};
use crate::config::{self, CommandLine, Joined, Machine, Origin, Serve, Written};
use crate::failure::Failure;
use crate::log;
use crate::report::Report;

// Paragraphs are single lines, so that they are wrapped to the terminal.
const AFTER_SHORT: &str = "\
There are more settings, for ingest, uploads, limits and HTTP: see `wharf serve --help`.";

const AFTER: &str = "\
Every setting is also a key of /etc/wharf/serve.toml (manifest-size-max = \"4MiB\") and a variable \
(WHARF_SERVE_MANIFEST_SIZE_MAX=4MiB). Flags outdo variables, which outdo the file.

The REGISTRY_* variables of registry:2 are understood too; one that asks for a protection that wharf \
does not have yet ends the start. So are the command lines of its image: the CONFIG.yml that they \
name is passed over if it is not there, and else answered with the variables to use instead.

Sizes are written 8MiB, 512k or 1048576; times 30s, 1h30m or 7d. A flag that takes a list is \
repeated.

Examples:
  wharf serve
      A registry on 127.0.0.1:5000, with its store in your data folder
  wharf serve --listen :5000 --root /var/lib/registry
      On every address of the machine, with a volume of registry:2
  wharf serve --read-only --log-format json
      Nothing can be pushed or deleted, and the log is for a program";

/// What the command line says about the registry to run.
#[derive(Debug)]
pub struct ServeArgs(CommandLine);

impl Args for ServeArgs {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .help("Read settings from this file instead of /etc/wharf/serve.toml")
            .value_parser(value_parser!(PathBuf));
        let old_file = Arg::new("old-file")
            .value_name("CONFIG_YML")
            // Told about below: nobody needs it who does not have it.
            .hide(true)
            .value_parser(value_parser!(PathBuf));
        let command = command.after_help(AFTER_SHORT).after_long_help(AFTER).next_line_help(true);
        let command = command.arg(file).arg(old_file);
        SETTINGS.iter().fold(command, |command, setting| command.arg(flag(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(setting: &Setting) -> Arg {
    let shown = setting.default_text();
    let flag = Arg::new(setting.name)
        .long(setting.name)
        .value_name(setting.value_name())
        .help(format!("{} [default: {shown}]", setting.help))
        .help_heading(setting.group)
        .hide_short_help(FOR_FEW.contains(&setting.group))
        .action(if setting.is_list() { ArgAction::Append } else { ArgAction::Set });
    // A switch that is off needs no value to be turned on.
    if matches!(setting.field, Field::Switch(_)) && shown == "false" {
        flag.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        flag
    }
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
        let flags = SETTINGS.iter().filter_map(|setting| {
            let texts = matches.get_many::<String>(setting.name)?.cloned().collect();
            Some(Written { setting, texts, origin: Origin::Flag(setting.name) })
        });
        let flags = flags.collect();
        Ok(Self(CommandLine { flags, file: path("config"), old_file: path("old-file") }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Joins the settings, and serves until a signal ends it.
pub fn run(args: ServeArgs, report: &Report) -> Result<(), Failure> {
    let machine = Machine::read();
    let mut joined = config::join(args.0, &machine)?;
    if report.json() {
        joined.serve.log.format = log::Format::Json;
    }
    log::start(joined.serve.log);
    tell(&joined);
    serve(joined.serve)
}

/// Tells once, in the log, where the store is, which settings differ from the defaults, and which do
/// nothing.
fn tell(joined: &Joined) {
    tracing::info!("the store is in {}", joined.serve.registry.root.display());
    let taken = joined.taken.iter().map(|(name, text, origin)| format!("{name}={text} ({origin})"));
    let taken = taken.collect::<Vec<_>>().join(", ");
    if !taken.is_empty() {
        tracing::info!(target: log::ALWAYS, "settings: {taken}");
    }
    if let Some(file) = joined.serve.ingest.exposed() {
        tracing::warn!(
            "others can read the secret of ingest in {}: give the file the mode 0400 (a secret of \
             Podman's: --secret NAME,mode=0400)",
            file.display()
        );
    }
    let left_out = joined.left_out.iter().map(|(variable, why)| format!("{variable} ({why})"));
    let left_out = left_out.collect::<Vec<_>>().join(", ");
    if !left_out.is_empty() {
        tracing::info!(target: log::ALWAYS, "settings without effect: {left_out}");
    }
    let unknown = joined.unknown.iter().map(|(variable, nearest)| match nearest {
        Some(nearest) => format!("{variable} (is {nearest} meant?)"),
        None => variable.clone(),
    });
    let unknown = unknown.collect::<Vec<_>>().join(", ");
    if !unknown.is_empty() {
        tracing::warn!(target: log::ALWAYS, "ignoring unknown variables: {unknown}");
    }
}

/// Tells where the registry can be reached: people and scripts wait for these lines.
fn tell_addresses(addresses: &[SocketAddr], has_admin: bool) {
    let (admin, api) = match addresses {
        [api @ .., admin] if has_admin => (Some(admin), api),
        api => (None, api),
    };
    for address in api {
        tracing::info!(target: log::ALWAYS, "listening on {address}");
    }
    if let Some(address) = admin {
        tracing::info!(target: log::ALWAYS, "health and metrics on {address}");
    }
}

fn serve(settings: Serve) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("wharf")
        .build()
        .map_err(Failure::Runtime)?;
    let ended = runtime.block_on(until_told_to_stop(settings.registry));
    // Blocking work that is left is abandoned: every step of it is safe to stop at.
    runtime.shutdown_background();
    ended
}

async fn until_told_to_stop(config: Config) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(Failure::Signals)?;
    let has_admin = config.admin_listen.is_some();
    // Opening waits for seconds where another process still holds the volume.
    let opening = tokio::task::spawn_blocking(|| Server::bind(config));
    let server = tokio::select! {
        server = opening => match server {
            Ok(server) => server?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        },
        _ = signals.next() => return Ok(()),
    };
    tell_addresses(server.addresses(), has_admin);

    let (stop, stopped) = oneshot::channel::<()>();
    let running = server.run(async { _ = stopped.await });
    let told_twice = async {
        let name = signals.next().await;
        tracing::info!("{name}: finishing the requests that are running");
        _ = stop.send(());
        signals.next().await
    };
    tokio::select! {
        ended = running => ended.map_err(Failure::Serve),
        _ = told_twice => Err(Failure::Interrupted),
    }
}

#[cfg(test)]
mod tests;
