//! `wharf bench pull`: an image as nodes pull it, or blobs of a size.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use wharf_load::Size;
use wharf_oci::ImageReference;

use super::shared::{SharedArgs, blob_size, blobs, clients, seconds};
use crate::bench::Trial;
use crate::bench::pulls::{BlobPulls, ImagePulls};
use crate::cli::push::destination::Registries;
use crate::cli::remote::RemoteError;
use crate::cli::setup_args::set_up;
use crate::failure::Failure;
use crate::report::Report;

/// What is pulled, and by how many.
#[derive(Debug, clap::Args)]
pub struct PullArgs {
    /// An image that is in the registry: pulled whole, as a node does it
    #[arg(value_name = "REFERENCE", conflicts_with = "blob_size")]
    image: Option<ImageReference>,

    /// The size of a blob that is made for this; several, separated by commas
    #[arg(long, value_name = "SIZE", value_delimiter = ',', default_value = "256MiB", value_parser = blob_size)]
    blob_size: Vec<Size>,

    /// Clients at once; several, separated by commas
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,8", value_parser = clients)]
    clients: Vec<NonZeroUsize>,

    /// How long pulls are begun, in seconds; each client pulls once in any case
    #[arg(long, value_name = "S", default_value = "3", value_parser = seconds)]
    seconds: Duration,

    /// The image's platform, where there is a choice [default: linux on this machine's processor]
    #[arg(long, value_name = "OS/ARCHITECTURE", value_parser = platform)]
    platform: Option<(String, String)>,

    #[command(flatten)]
    shared: SharedArgs,
}

/// Measures pulls.
pub fn run(args: PullArgs, report: &Report) -> Result<(), Failure> {
    match args.image.clone() {
        Some(image) => run_image(args, &image, report),
        None => run_blobs(args, report),
    }
}

fn run_blobs(args: PullArgs, report: &Report) -> Result<(), Failure> {
    let limits = args.shared.limits();
    let (_folder, made) = blobs(&args.blob_size)?;
    let mut trials: Vec<Box<dyn Trial>> = Vec::new();
    for blobs in made {
        for clients in &args.clients {
            let (blobs, clients, time) = (blobs.clone(), clients.get(), args.seconds);
            trials.push(Box::new(BlobPulls { blobs, clients, time, limits }));
        }
    }
    args.shared.run(trials, report)
}

fn run_image(args: PullArgs, image: &ImageReference, report: &Report) -> Result<(), Failure> {
    let destination = Registries::of(None, None, None, set_up()).destination(image);
    let destination = destination.map_err(RemoteError::Address)?;
    let mut shared = args.shared;
    shared.registry.get_or_insert_with(|| destination.registry.into());
    let trials = args.clients.iter().map(|clients| {
        Box::new(ImagePulls {
            name: destination.name.clone(),
            reference: destination.reference.clone(),
            platform: args.platform.clone().unwrap_or_else(own_platform),
            clients: clients.get(),
            time: args.seconds,
            limits: shared.limits(),
            found: HashMap::new(),
        }) as Box<dyn Trial>
    });
    let trials = trials.collect();
    shared.run(trials, report)
}

fn platform(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((os, architecture)) if !os.is_empty() && !architecture.is_empty() => {
            Ok((os.to_owned(), architecture.to_owned()))
        }
        _ => Err("give OS/ARCHITECTURE, as in linux/amd64".to_owned()),
    }
}

/// What a node on this machine pulls, in the words of the image specification.
fn own_platform() -> (String, String) {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    ("linux".to_owned(), architecture.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_has_two_parts() {
        assert_eq!(platform("linux/arm64"), Ok(("linux".to_owned(), "arm64".to_owned())));
        for wrong in ["linux", "/amd64", "linux/"] {
            assert!(platform(wrong).is_err(), "{wrong}");
        }
        assert_eq!(own_platform().0, "linux");
    }
}
