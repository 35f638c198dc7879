//! The flag that names a project, for all subcommands that work on one.

use std::env;
use std::path::PathBuf;

use crate::project::{Project, ProjectError};

/// Which project.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ProjectArgs {
    /// The project's file [default: wharf.toml here, or in the nearest folder above]
    #[arg(long, short = 'f', value_name = "FILE")]
    file: Option<PathBuf>,
}

impl ProjectArgs {
    /// Whether one is named.
    pub fn is_named(&self) -> bool {
        self.file.is_some()
    }

    /// Reads it.
    ///
    /// # Errors
    /// There is none, or it is wrong.
    pub fn project(&self) -> Result<Project, ProjectError> {
        let folder = here()?;
        let home = env::var_os("HOME").map(PathBuf::from);
        Project::find(self.file.as_deref(), &folder, home.as_deref())
    }
}

/// The folder in which this runs.
///
/// # Errors
/// It is gone, or may not be read.
pub fn here() -> Result<PathBuf, ProjectError> {
    env::current_dir().map_err(|source| ProjectError::Look { path: ".".into(), source })
}
