//! `wharf garbage-collect`: a command that containers of registry:2 are run with and that wharf does
//! not have yet; it says so, rather than end in a usage message.

use std::ffi::OsString;

use crate::failure::Failure;

/// Whatever registry:2 would have taken.
#[derive(Debug, clap::Args)]
pub struct GarbageCollectArgs {
    /// registry:2's flags and configuration file
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    _words: Vec<OsString>,
}

/// Always refuses: nothing is deleted.
pub fn run(_args: GarbageCollectArgs) -> Result<(), Failure> {
    Err(Failure::NoGarbageCollection)
}
