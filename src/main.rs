//! The program `wharf`: reads the command line, runs one subcommand, and says how it ended.
//!
//! Holds no logic: the subcommands stand in [`cli`], their settings in [`config`], and what a person
//! is told about an error in [`failure`].

#![expect(
    unreachable_pub,
    reason = "a program exports nothing: `pub` marks what other modules use"
)]

mod bench;
mod cli;
mod config;
mod demo;
mod deploy;
mod failure;
mod holder;
mod image;
mod load;
mod log;
mod process;
mod project;
mod report;
mod setup;

use std::process::ExitCode;

fn main() -> ExitCode {
    failure::exit(cli::Cli::read(std::env::args_os()).and_then(cli::Cli::run))
}
