//! `wharf init`: writes wharf.toml from what it finds in the folder, and never over one that stands
//! there, unless asked.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::project_args::here;
use crate::failure::Failure;
use crate::project::draft::Draft;
use crate::project::{FILE, ProjectError, discovery};
use crate::report::Report;

const EXAMPLES: &str = "\
Examples:
  wharf init              look through this folder and write wharf.toml
  wharf init --dry-run    only show what would be written
  wharf init shop         the same for another folder";

/// What to do.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    /// The folder of the project
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,

    /// Write over a wharf.toml that is there
    #[arg(long)]
    force: bool,

    /// Only show what would be written
    #[arg(long)]
    dry_run: bool,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    file: PathBuf,
    written: bool,
    #[serde(flatten)]
    draft: Draft,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.draft.text())
    }
}

/// Looks, writes, and shows what was written.
pub fn run(args: InitArgs, report: &Report) -> Result<(), Failure> {
    let folder = here()?.join(&args.folder).components().collect::<PathBuf>();
    let file = folder.join(FILE);
    if !args.force && !args.dry_run && file.exists() {
        return Err(ProjectError::Exists { path: file }.into());
    }
    let found = discovery::look(&folder)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let draft = Draft::of(&found, &name);
    if draft.images.is_empty() {
        return Err(ProjectError::Nothing { folder }.into());
    }
    if !args.dry_run {
        write(&file, &draft.text(), args.force)
            .map_err(|source| ProjectError::Write { path: file.clone(), source })?;
    }
    let written = Written { file, written: !args.dry_run, draft };
    report.data(&written)?;
    if !report.json() {
        written.words().into_iter().for_each(|words| report.say(words));
    }
    Ok(())
}

/// Writes a new file whole, or not at all.
fn write(path: &Path, text: &str, over: bool) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    // A temporary file is its owner's alone; this one is a file like any other.
    let mode = fs::metadata(path).or_else(|_| File::open(folder)?.metadata())?.permissions();
    let mode = std::os::unix::fs::PermissionsExt::mode(&mode) & 0o666;
    fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    match over {
        true => file.persist(path).map_err(|error| error.error)?,
        false => file.persist_noclobber(path).map_err(|error| error.error)?,
    };
    Ok(())
}

impl Written {
    /// What a person does next.
    fn words(&self) -> Vec<String> {
        let Draft { images, manifests, .. } = &self.draft;
        let images = count(images.len(), "image");
        let manifests = match manifests.len() {
            0 => "no manifests".to_owned(),
            _ => format!("manifests in {}", manifests.join(", ")),
        };
        let file = self.file.display();
        let mut words = vec![match self.written {
            true => format!("{file} is written: {images}, {manifests}."),
            false => format!("Nothing is written. {file} would have: {images}, {manifests}."),
        }];
        if self.written {
            words.push("Look through it. Then: wharf build, wharf push, wharf deploy.".to_owned());
        }
        words
    }
}

fn count(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
