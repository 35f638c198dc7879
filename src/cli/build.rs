//! `wharf build`: has the engine build the project's images, one after the other, in the order of the
//! file. What the engine says goes to stderr as it comes; stdout has the names.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::cli::project_args::ProjectArgs;
use crate::failure::Failure;
use crate::process::Machine;
use crate::project::{Image, ProjectError, containerfile};
use crate::report::Report;
use crate::setup::engine::Engine;
use crate::setup::hand::{Hand, Manner};
use crate::setup::{SetupError, site};

const EXAMPLES: &str = "\
Examples:
  wharf build                          every image of the project, in the order of wharf.toml
  wharf build moon-server              this one
  wharf build -- --pull=always         what stands after -- goes to `podman build`
  wharf build --dry-run                only show the commands";

/// What to build.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct BuildArgs {
    /// The images, by their names in wharf.toml [default: all]
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,

    #[command(flatten)]
    project: ProjectArgs,

    /// Only show the commands
    #[arg(long)]
    dry_run: bool,

    /// Further flags of the engine's build
    #[arg(last = true, value_name = "FLAG")]
    flags: Vec<OsString>,
}

/// The images that were built.
#[derive(Debug, Serialize)]
struct Built {
    images: Vec<String>,
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.images.iter().try_for_each(|name| writeln!(f, "{name}"))
    }
}

/// Builds, and prints the names.
pub fn run(args: BuildArgs, report: &Report) -> Result<(), Failure> {
    let project = args.project.project()?;
    let images = project.chosen(&args.images)?;
    let manner = if args.dry_run { Manner::Dry } else { Manner::Quiet };
    let kind = site::kind_of_engine().ok_or(ProjectError::Engine(SetupError::NoEngine))?;
    let engine = Engine::new(kind, Hand::new(Arc::new(Machine), manner, *report));
    let mut built = Built { images: Vec::new() };
    for image in images {
        let name = image.name.to_string();
        if !args.dry_run {
            report.say(format_args!("Building {name} …"));
        }
        let program = engine.program(words(image, &args.flags)?);
        let done = engine.hand().show(&program);
        done.map_err(|source| ProjectError::Build { image: name.clone(), source })?;
        built.images.push(name);
    }
    match args.dry_run {
        true => Ok(()),
        false => Ok(report.data(&built)?),
    }
}

/// The words of a build after the engine's name.
fn words(image: &Image, flags: &[OsString]) -> Result<Vec<OsString>, ProjectError> {
    if !image.context.is_dir() {
        let (image, path) = (image.name.to_string(), image.context.clone());
        return Err(ProjectError::NoContext { image, path });
    }
    let file = image.containerfile.clone().or_else(|| containerfile::of_folder(&image.context));
    let file = file.filter(|file| file.is_file()).ok_or_else(|| {
        let usual = || image.context.join(containerfile::NAMES[0]);
        let path = image.containerfile.clone().unwrap_or_else(usual);
        ProjectError::NoContainerfile { image: image.name.to_string(), path }
    })?;
    let mut words: Vec<OsString> = [
        "build".into(),
        "--tag".into(),
        image.name.to_string().into(),
        "--file".into(),
        file.into(),
    ]
    .into();
    let mut flag = |name: &str, value: &str| words.extend([name.into(), value.into()]);
    if let Some(target) = &image.target {
        flag("--target", target);
    }
    for (name, value) in &image.build_args {
        flag("--build-arg", &format!("{name}={value}"));
    }
    if let Some(platform) = &image.platform {
        flag("--platform", platform);
    }
    words.extend(flags.iter().cloned());
    words.push(image.context.clone().into());
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_has_the_flags_of_the_file_then_those_of_the_command_line() {
        let folder = tempfile::tempdir().unwrap();
        let mut image = Image {
            name: "moon:v1".parse().unwrap(),
            context: folder.path().join("absent"),
            containerfile: None,
            target: Some("run".into()),
            build_args: vec![("A".into(), "1 2".into())],
            platform: Some("linux/arm64".into()),
        };
        let error = words(&image, &[]).unwrap_err();
        assert!(matches!(error, ProjectError::NoContext { .. }), "{error}");
        image.context = folder.path().to_owned();
        let error = words(&image, &[]).unwrap_err();
        assert!(matches!(error, ProjectError::NoContainerfile { .. }), "{error}");
        std::fs::write(folder.path().join("Dockerfile"), "").unwrap();
        std::fs::write(folder.path().join("Containerfile"), "").unwrap();
        let words = words(&image, &["--no-cache".into()]).unwrap();
        let words: Vec<_> = words.iter().map(|it| it.to_str().unwrap()).collect();
        let context = folder.path().display().to_string();
        let file = format!("{context}/Containerfile");
        assert_eq!(
            words,
            [
                "build",
                "--tag",
                "moon:v1",
                "--file",
                &file,
                "--target",
                "run",
                "--build-arg",
                "A=1 2",
                "--platform",
                "linux/arm64",
                "--no-cache",
                &context
            ]
        );
    }
}
