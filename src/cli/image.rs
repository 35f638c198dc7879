//! `wharf image`: packs the program into Wharf's own OCI image, and hands it on: into a file, a
//! folder, a pipe, or the container engine.

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;
use wharf_oci::{Digest, ImageReference};

use crate::cli::amount::Bytes;
use crate::failure::Failure;
use crate::image::{
    self, Architecture, CONTAINERFILE, EngineError, Format, Image, LayoutError, Program,
    ProgramError, Sources,
};
use crate::process::Machine;
use crate::report::Report;

const EXAMPLES: &str = "\
Examples:
  wharf image --load                      into Podman, as localhost/wharf:VERSION
  wharf image --output wharf.tar          an OCI archive
  wharf image --output wharf/             an OCI layout in a folder
  wharf image | ssh HOST podman load      the archive into a pipe
  wharf image --program wharf-arm64 -o wharf-arm64.tar";

/// What to pack, and where to put it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ImageArgs {
    /// Write the image to a file, to a folder if the path ends in `/`, or to stdout if it is `-`
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,

    /// The form that --output writes, whatever the path looks like
    #[arg(long, requires = "output")]
    format: Option<Format>,

    /// Load the image into Podman, or else Docker, and print its name
    #[arg(long, conflicts_with = "output")]
    load: bool,

    /// Pack this program instead of the running one: a static Linux build for amd64 or arm64
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,

    /// The image's name; without a host it is localhost's, without a tag it has wharf's version
    #[arg(long, value_name = "NAME", default_value = "wharf", value_parser = full_name)]
    tag: ImageReference,

    /// Print the Containerfile that builds the same image from the sources
    #[arg(long, exclusive = true)]
    print_containerfile: bool,

    /// Write the sources that a program for another system carries to stdout, as a tar.gz to build
    #[arg(long, exclusive = true)]
    print_sources: bool,
}

/// Why there is no image.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The program cannot be packed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The image cannot be written.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// No engine took the image.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The running program has no path.
    #[error("cannot find the file of the running program: name it with --program")]
    Running(#[source] io::Error),
    /// The image would go to a terminal.
    #[error("an image is no text for a terminal: name a file, or send stdout into a pipe")]
    Terminal,
    /// The program carries no sources.
    #[error("this wharf carries no sources: it is a Linux program, and packs itself")]
    NoSources,
}

impl ImageError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Program(error) => error.hint(),
            Self::Engine(EngineError::Missing) => {
                Some("write a file with --output, and load it where the engine is")
            }
            _ => None,
        }
    }
}

/// Packs the image and puts it where the flags say.
pub fn run(args: ImageArgs, report: &Report) -> Result<(), Failure> {
    if args.print_containerfile {
        return Ok(report.bytes(CONTAINERFILE.as_bytes())?);
    }
    if args.print_sources {
        return print_sources(report);
    }
    let image = Image::of(&program(args.program.as_deref())?);
    let mut packed = Packed::of(&image, &args.tag);
    match destination(&args, report) {
        Destination::Engine => {
            packed.engine =
                Some(image::load(&Machine, &image, &args.tag).map_err(ImageError::from)?);
        }
        Destination::Folder(path) => {
            image::write_layout(&image, &args.tag, &path).map_err(ImageError::from)?;
            packed.path = Some(path);
        }
        Destination::File(path) => {
            image::write_archive(&image, &args.tag, &path).map_err(ImageError::from)?;
            packed.path = Some(path);
        }
        Destination::Stdout => return stream(&image, &args.tag, &packed, report),
        Destination::Nowhere => {}
    }
    Ok(report.data(&packed)?)
}

fn print_sources(report: &Report) -> Result<(), Failure> {
    let sources = Sources::carried().ok_or(ImageError::NoSources)?;
    if io::stdout().is_terminal() {
        return Err(ImageError::Terminal.into());
    }
    Ok(report.bytes(sources.archive())?)
}

/// Where an image goes.
enum Destination {
    Engine,
    File(PathBuf),
    Folder(PathBuf),
    Stdout,
    /// Only what it would be is said.
    Nowhere,
}

fn destination(args: &ImageArgs, report: &Report) -> Destination {
    match &args.output {
        Some(path) if path.as_os_str() == "-" => Destination::Stdout,
        Some(path) => match args.format.unwrap_or_else(|| form_of(path)) {
            Format::Archive => Destination::File(path.clone()),
            Format::Dir => Destination::Folder(path.clone()),
        },
        None if args.load => Destination::Engine,
        None if report.json() || io::stdout().is_terminal() => Destination::Nowhere,
        None => Destination::Stdout,
    }
}

fn form_of(path: &Path) -> Format {
    let ends_in_separator = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    if ends_in_separator || path.is_dir() { Format::Dir } else { Format::Archive }
}

fn stream(
    image: &Image,
    name: &ImageReference,
    packed: &Packed,
    report: &Report,
) -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        return Err(ImageError::Terminal.into());
    }
    let path = || Path::new("stdout").to_owned();
    image::archive_into(image, name, io::stdout().lock())
        .map_err(|source| ImageError::Layout(LayoutError::Write { path: path(), source }))?;
    report.say(format_args!("{} {}", packed.name, packed.digest));
    Ok(())
}

/// The program to pack: the one named, or the running one.
pub fn program(named: Option<&Path>) -> Result<Program, ImageError> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => std::env::current_exe().map_err(ImageError::Running)?,
    };
    Ok(Program::read(&path)?)
}

/// The name with the host and the tag that it goes without.
fn full_name(text: &str) -> Result<ImageReference, String> {
    let mut name: ImageReference = text.parse().map_err(|error| format!("{error}"))?;
    if name.digest.is_some() {
        return Err("an image is named by a tag: its digest follows from its bytes".into());
    }
    name.registry.get_or_insert_with(|| "localhost".into());
    if name.tag.is_none() {
        let tag = env!("CARGO_PKG_VERSION").replace('+', "-");
        name.tag = Some(tag.parse().map_err(|error| format!("{error}"))?);
    }
    Ok(name)
}

/// What was packed, and where it is now.
#[derive(Debug, Serialize)]
struct Packed {
    name: String,
    digest: Digest,
    platform: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<&'static str>,
}

impl Packed {
    fn of(image: &Image, name: &ImageReference) -> Self {
        Self {
            name: name.to_string(),
            digest: image.digest(),
            platform: platform(image.architecture),
            size: image.size(),
            path: None,
            engine: None,
        }
    }
}

fn platform(architecture: Architecture) -> String {
    format!("linux/{}", architecture.as_str())
}

impl fmt::Display for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, digest, platform, .. } = self;
        let size = Bytes(self.size);
        if self.engine.is_some() {
            // The name alone, for `podman run $(wharf image --load)`.
            return writeln!(f, "{name}");
        }
        if let Some(path) = &self.path {
            return writeln!(f, "{}\n{name}, {platform}, {size}\n{digest}", path.display());
        }
        writeln!(f, "This program packs into the image {name}, {platform}, {size},")?;
        writeln!(f, "{digest}. Nothing was written.\n")?;
        writeln!(f, "  wharf image --load               hands it to Podman")?;
        writeln!(f, "  wharf image --output wharf.tar   writes an OCI archive")?;
        writeln!(f, "  wharf image --output wharf/      writes an OCI layout")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gets_the_host_and_the_tag_that_it_lacks() {
        let version = env!("CARGO_PKG_VERSION");
        for (text, name) in [
            ("wharf", format!("localhost/wharf:{version}")),
            ("team/wharf:dev", "localhost/team/wharf:dev".into()),
            ("kind-registry:5000/wharf", format!("kind-registry:5000/wharf:{version}")),
        ] {
            assert_eq!(full_name(text).unwrap().to_string(), name);
        }
        let digest = "0".repeat(64);
        for text in ["", "Wharf", &format!("wharf@sha256:{digest}")] {
            assert!(full_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_path_tells_the_form() {
        assert_eq!(form_of(Path::new("wharf.tar")), Format::Archive);
        assert_eq!(form_of(Path::new("new/")), Format::Dir);
        assert_eq!(form_of(Path::new("/")), Format::Dir);
    }
}
