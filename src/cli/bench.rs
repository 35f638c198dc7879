//! `wharf bench`: which measurements there are. Each subcommand has the flags of its own and makes the
//! trials that they ask for; the flags that all share, and what they mean together, stand in `shared`.

mod cycle;
mod pull;
mod push;
mod requests;
mod shared;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::report::Report;

const EXAMPLES: &str = "\
Examples:
  wharf bench pull app:1 --clients 8         eight nodes pull an image at once
  wharf bench pull --blob-size 256MiB --clients 1,8,64
  wharf bench push --blob-size 100MiB --clients 1,8
  wharf bench requests --connections 16      small requests to the registry of `wharf up`
  wharf bench loop                           a changed layer, pushed and pulled
  wharf bench loop --node kind-control-plane
                                             the same, pulled by the node's own containerd
  wharf bench requests --registry wharf=127.0.0.1:5000 --against other=127.0.0.1:5001
                                             two registries in turn, and their ratio
  wharf bench pull --server-container kind-registry
                                             with the server's CPU time and memory";

/// What to measure.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measure pulls: of an image as nodes pull it, or of blobs of a size
    ///
    /// Without REFERENCE, a blob is pushed into a repository of the benchmark's own, pulled, and deleted.
    Pull(pull::PullArgs),
    /// Measure pushes of blobs, each new to the registry
    ///
    /// They go into a repository of the benchmark's own, and are deleted at the end.
    Push(push::PushArgs),
    /// Measure small requests: manifests by tag, HEADs, a small blob
    ///
    /// An image of one small layer is pushed into a repository of the benchmark's own, and deleted at the
    /// end.
    Requests(requests::RequestsArgs),
    /// Measure how long a developer waits: change a layer, push, pull
    ///
    /// An image is made and pushed into a repository of the benchmark's own; in each round one layer of it
    /// is changed, pushed, and pulled by what has the others. It is deleted at the end.
    Loop(Box<cycle::CycleArgs>),
}

/// Measures, and shows what came of it.
pub fn run(args: BenchArgs, report: &Report) -> Result<(), Failure> {
    match args.what {
        What::Pull(args) => pull::run(args, report),
        What::Push(args) => push::run(args, report),
        What::Requests(args) => requests::run(args, report),
        What::Loop(args) => cycle::run(*args, report),
    }
}
