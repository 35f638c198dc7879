//! `wharf completion`: prints the script that teaches a shell wharf's subcommands and flags.

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::report::Report;

/// The shell to print a script for.
#[derive(Debug, clap::Args)]
pub struct CompletionArgs {
    /// The shell to complete for
    shell: KnownShell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KnownShell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script on stdout.
pub fn run(args: CompletionArgs, report: &Report) -> Result<(), Failure> {
    let shell = match args.shell {
        KnownShell::Bash => Shell::Bash,
        KnownShell::Zsh => Shell::Zsh,
        KnownShell::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "wharf", &mut script);
    Ok(report.bytes(&script)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_knows_a_setting_by_name() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "wharf", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("manifest-size-max"), "{shell}");
        }
    }
}
