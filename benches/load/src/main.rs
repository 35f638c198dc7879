//! `wharf-load`: one measurement per call, a line of JSON on stdout, the same for people on stderr.
//!
//! It refuses to decide what to measure: `benches/compare.sh` does that.

mod document;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, Parser, Subcommand, ValueEnum};
use document::ReportArguments;
use serde::Serialize;
use wharf_load::{
    Image, Lists, LoadError, Measurement, Mixed, Nodes, Pull, Push, Request, Requests,
    ServerProcess, Size, Source, Target, pages, ready, receive, send, volume,
};
use wharf_oci::{Digest, RepositoryName, Tag};

/// Measures what a pull, a push and a request cost a registry.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a file of bytes that do not compress, for the pushes
    Source {
        file: PathBuf,
        /// Bytes, or with KiB, MiB, GiB
        #[arg(long, value_parser = parse_size)]
        size: u64,
    },
    /// Push an image to measure with, and print its digests
    Image {
        #[command(flatten)]
        aim: AimArguments,
        #[command(flatten)]
        blobs: BlobArguments,
        #[arg(long, default_value = "latest")]
        tag: Tag,
        #[arg(long, default_value_t = 1)]
        layers: u64,
    },
    /// Push an image whose layers are files, and print its digests
    Files {
        #[command(flatten)]
        aim: AimArguments,
        #[arg(long, default_value = "latest")]
        tag: Tag,
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Pull one image by several nodes at once
    Nodes {
        #[command(flatten)]
        aim: AimArguments,
        #[arg(long, default_value = "latest")]
        tag: Tag,
        /// Its configuration and its layers
        #[arg(long, required = true)]
        digest: Vec<Digest>,
        #[arg(long, default_value_t = 8)]
        nodes: usize,
    },
    /// Walk through all tags of the repository, or through all repositories
    Lists {
        #[command(flatten)]
        aim: AimArguments,
        /// The repositories, not the tags of one
        #[arg(long)]
        catalog: bool,
        /// Names that there are
        #[arg(long)]
        expected: usize,
        #[command(flatten)]
        time: TimeArguments,
    },
    /// Make the system forget the pages of the files below a folder
    Forget { folder: PathBuf },
    /// Be the limit of the pushes: take blobs, write, hash, sync, and nothing else
    Receive {
        /// Where to listen
        #[arg(long, value_name = "HOST:PORT")]
        listen: String,
        /// Where the blobs go
        folder: PathBuf,
    },
    /// Be the limit of the pulls: answer with files, and nothing else
    Send {
        /// Where to listen
        #[arg(long, value_name = "HOST:PORT")]
        listen: String,
        /// How a file gets to the socket
        #[arg(long, value_enum)]
        by: By,
        /// Where the files are
        folder: PathBuf,
    },
    /// GET one blob by some clients until so many bytes have come
    Pull {
        #[command(flatten)]
        aim: AimArguments,
        #[arg(long)]
        digest: Digest,
        #[arg(long, default_value_t = 1)]
        clients: usize,
        #[arg(long, value_parser = parse_size, default_value = "4GiB")]
        bytes: u64,
        /// Hash what comes
        #[arg(long)]
        verify: bool,
        #[command(flatten)]
        time: TimeArguments,
    },
    /// Push blobs by some clients
    Push {
        #[command(flatten)]
        aim: AimArguments,
        #[command(flatten)]
        blobs: BlobArguments,
        #[arg(long, default_value_t = 1)]
        clients: usize,
        /// Pushes in all
        #[arg(long, default_value_t = 1)]
        count: u64,
        /// Every client pushes the same blob
        #[arg(long)]
        same: bool,
        #[command(flatten)]
        time: TimeArguments,
    },
    /// Ask the same small thing again and again
    Requests {
        #[command(flatten)]
        aim: AimArguments,
        #[arg(value_enum)]
        what: What,
        #[arg(long, default_value = "latest")]
        tag: Tag,
        /// The blob, for get-blob and head-blob
        #[arg(long, required_if_eq_any([("what", "get-blob"), ("what", "head-blob")]))]
        digest: Option<Digest>,
        #[arg(long, default_value_t = 16)]
        connections: usize,
        /// Seconds
        #[arg(long, default_value_t = 3.0)]
        seconds: f64,
        /// Requests at most
        #[arg(long, default_value_t = 1_000_000)]
        count: usize,
    },
    /// Pull and push large blobs at once, for the server's memory
    Mixed {
        #[command(flatten)]
        aim: AimArguments,
        #[command(flatten)]
        blobs: BlobArguments,
        /// The blob to pull
        #[arg(long)]
        digest: Digest,
        #[arg(long, default_value_t = 64)]
        pulls: usize,
        #[arg(long, default_value_t = 8)]
        pushes: usize,
    },
    /// Start a server, measure the time to its first answer, end it
    Ready {
        #[command(flatten)]
        aim: AimArguments,
        /// Blobs in its store, for the report
        #[arg(long, default_value_t = 0)]
        stored: u64,
        #[arg(last = true, required = true)]
        program: Vec<String>,
    },
    /// Write a volume of many blobs in the layout of registry:2
    Volume {
        root: PathBuf,
        #[arg(long, default_value_t = 20_000)]
        blobs: u64,
        /// As an OCI image layout per repository
        #[arg(long)]
        oci: bool,
        /// So many tags in so many repositories instead
        #[arg(long, requires = "repositories")]
        tags: Option<u64>,
        #[arg(long)]
        repositories: Option<u64>,
    },
    /// Write the report of a run: put its tables in place of {{table}}, {{senders}}, {{pushes}}, {{pulls}},
    /// {{loops}} and {{behind}}
    Report(ReportArguments),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    /// From a mapping, by write
    Copy,
    /// By sendfile
    Sendfile,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    GetManifest,
    HeadManifest,
    GetBlob,
    HeadBlob,
}

#[derive(Debug, Args)]
struct AimArguments {
    /// Where the registry listens
    #[arg(long, value_name = "HOST:PORT")]
    registry: String,
    /// The repository that is read and written
    #[arg(long, default_value = "bench/load")]
    repository: RepositoryName,
    /// Aim at an address that is not on loopback
    #[arg(long)]
    yes: bool,
    /// The server's name in the results
    #[arg(long, default_value = "registry")]
    label: String,
    /// The server's process, for its CPU time and memory
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
}

#[derive(Debug, Args)]
struct BlobArguments {
    /// A file written by `source`, at least as long as a blob
    #[arg(long)]
    file: PathBuf,
    /// The size of each blob
    #[arg(long, value_parser = parse_size, default_value = "1GiB")]
    size: u64,
    /// Remove this file right before the clock starts, so that the memory it filled is what is filled
    /// next
    #[arg(long, value_name = "FILE")]
    make_room: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct TimeArguments {
    /// Give up after so many seconds
    #[arg(long, default_value_t = 120)]
    seconds_max: u64,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("wharf-load: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(deeper) = cause {
                text.push_str(&format!(": {deeper}"));
                cause = deeper.source();
            }
            say(&text);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), LoadError> {
    match command {
        Command::Source { file, size } => Source::create(&file, size).map(drop),
        Command::Image { aim, blobs, tag, layers } => {
            let blobs = blobs.read()?;
            print(&Image::push(&aim.target()?, aim.repository, tag, &blobs, layers)?);
            Ok(())
        }
        Command::Files { aim, tag, files } => {
            print(&Image::push_files(&aim.target()?, aim.repository, tag, &files)?);
            Ok(())
        }
        Command::Nodes { aim, tag, digest, nodes } => {
            let (target, server) = (aim.target()?, aim.server()?);
            let nodes = Nodes { target, name: aim.repository, tag, digests: digest, nodes };
            show(&nodes.measure(&aim.label, server.as_ref())?);
            Ok(())
        }
        Command::Lists { aim, catalog, expected, time } => {
            let (target, server) = (aim.target()?, aim.server()?);
            let name = (!catalog).then_some(aim.repository);
            let lists = Lists { target, name, expected, time_max: time.limit() };
            show(&lists.measure(&aim.label, server.as_ref())?);
            Ok(())
        }
        Command::Forget { folder } => pages::forget(&folder),
        Command::Receive { listen, folder } => {
            receive::serve(&Target::resolve(&listen, false)?, &folder)
        }
        Command::Send { listen, by, folder } => {
            let way = match by {
                By::Copy => send::Way::Copy,
                By::Sendfile => send::Way::Sendfile,
            };
            send::serve(&Target::resolve(&listen, false)?, &folder, way)
        }
        Command::Pull { aim, digest, clients, bytes, verify, time } => {
            let (target, server) = (aim.target()?, aim.server()?);
            let (name, time_max, bytes_max) = (aim.repository, time.limit(), bytes);
            let pull =
                Pull { target, name, digest, clients, bytes_max, whole: None, time_max, verify };
            show(&pull.measure(&aim.label, server.as_ref())?);
            Ok(())
        }
        Command::Push { aim, blobs, clients, count, same, time } => {
            let (target, server, blobs) = (aim.target()?, aim.server()?, blobs.read()?);
            let (name, time_max) = (aim.repository, time.limit());
            let push = Push { target, name, blobs, clients, count, same, time_max };
            show(&push.measure(&aim.label, server.as_ref())?);
            Ok(())
        }
        Command::Requests { aim, what, tag, digest, connections, seconds, count } => {
            let (target, server) = (aim.target()?, aim.server()?);
            let request = match (what, digest) {
                (What::GetBlob, Some(digest)) => Request::GetBlob(digest),
                (What::HeadBlob, Some(digest)) => Request::HeadBlob(digest),
                (What::HeadManifest, _) => Request::HeadManifest(tag),
                // The two without a digest do not pass the command line.
                (What::GetManifest | What::GetBlob | What::HeadBlob, _) => {
                    Request::GetManifest(tag)
                }
            };
            let (name, time, count_max) = (aim.repository, Duration::from_secs_f64(seconds), count);
            let requests = Requests { target, name, request, connections, time, count_max };
            show(&requests.measure(&aim.label, server.as_ref())?);
            Ok(())
        }
        Command::Mixed { aim, blobs, digest, pulls, pushes } => {
            let (target, server, blobs) = (aim.target()?, aim.server()?, blobs.read()?);
            let mixed = Mixed { target, name: aim.repository, digest, blobs, pulls, pushes };
            show(&mixed.measure(&aim.label, server.as_ref())?);
            Ok(())
        }
        Command::Ready { aim, stored, program } => {
            let (name, arguments) =
                program.split_first().map_or(("", &[][..]), |(name, rest)| (name.as_str(), rest));
            let mut measured = ready::measure(&aim.label, &aim.target()?, name, arguments)?;
            measured.stored = Some(stored);
            show(&measured);
            Ok(())
        }
        Command::Volume { root, blobs, oci, tags, repositories } => {
            let layout = if oci { volume::Layout::OciLayout } else { volume::Layout::Distribution };
            match (tags, repositories) {
                (Some(tags), Some(repositories)) => {
                    print(&volume::write_tags(&root, repositories, tags, layout)?);
                    Ok(())
                }
                _ => volume::write(&root, blobs, layout),
            }
        }
        Command::Report(arguments) => {
            write_out(&arguments.document()?);
            Ok(())
        }
    }
}

impl AimArguments {
    fn target(&self) -> Result<Target, LoadError> {
        Target::resolve(&self.registry, self.yes)
    }

    fn server(&self) -> Result<Option<ServerProcess>, LoadError> {
        self.server_pid.map(ServerProcess::find).transpose()
    }
}

impl BlobArguments {
    /// Blobs that no earlier run has pushed: the clock is in them.
    fn read(&self) -> Result<wharf_load::content::Blobs, LoadError> {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let run = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let blobs = Source::at(&self.file).blobs(self.size, run)?;
        if let Some(path) = &self.make_room {
            std::fs::remove_file(path).map_err(|source| LoadError::File {
                operation: "remove",
                path: path.clone(),
                source,
            })?;
        }
        Ok(blobs)
    }
}

impl TimeArguments {
    fn limit(&self) -> Duration {
        Duration::from_secs(self.seconds_max)
    }
}

/// A measurement: JSON on stdout, a line for people on stderr.
fn show(measured: &Measurement) {
    print(measured);
    say(&measured.line());
}

fn print(value: &impl Serialize) {
    write_out(&serde_json::to_string(value).unwrap_or_default());
}

/// A reader that went away has nothing to be told, so a failed write is no error.
fn write_out(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Bytes, or with KiB, MiB, GiB.
fn parse_size(text: &str) -> Result<u64, String> {
    text.parse().map(|Size(bytes)| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
