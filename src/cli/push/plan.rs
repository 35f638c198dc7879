//! What `--dry-run` shows: each blob, and what would become of it.

use std::fmt;

use serde::Serialize;
use wharf_oci::{Digest, RepositoryName};
use wharf_pusher::{Plan, Planned, Step};

use super::destination::Destination;
use crate::cli::amount::Bytes;

/// What would become of all images of one command.
#[derive(Debug, Serialize)]
pub struct Plans {
    /// The images, in the order of the command line.
    pub images: Vec<ImagePlan>,
}

/// What would become of an image.
#[derive(Debug, Serialize)]
pub struct ImagePlan {
    reference: String,
    pod_reference: String,
    /// None if it is known only after compressing.
    digest: Option<Digest>,
    source: String,
    unchanged: bool,
    blobs: Vec<BlobPlan>,
}

#[derive(Debug, Serialize)]
struct BlobPlan {
    step: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<RepositoryName>,
    digest: Digest,
    bytes: u64,
    layer: bool,
}

impl ImagePlan {
    /// What would become of an image there.
    pub fn of(plan: Plan, destination: &Destination, source: String) -> Self {
        Self {
            reference: destination.here(),
            pod_reference: destination.in_a_pod(),
            digest: plan.digest,
            source,
            unchanged: plan.is_there,
            blobs: plan.blobs.into_iter().map(BlobPlan::of).collect(),
        }
    }
}

impl BlobPlan {
    fn of(planned: Planned) -> Self {
        let (step, from) = match planned.step {
            Step::Present => ("present", None),
            Step::Mount(from) => ("mount", Some(from)),
            Step::Send => ("send", None),
            Step::Compress => ("compress", None),
        };
        let (digest, bytes) = (planned.blob.digest, planned.blob.size);
        Self { step, from, digest, bytes, layer: planned.is_layer }
    }
}

impl fmt::Display for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.images.iter().try_for_each(|image| image.fmt(f))
    }
}

impl fmt::Display for ImagePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.unchanged {
            return writeln!(f, "{}: unchanged, nothing would move", self.reference);
        }
        let moving = self.blobs.iter().filter(|blob| ["send", "compress"].contains(&blob.step));
        let bytes = moving.clone().map(|blob| blob.bytes).sum();
        // What compressing makes of a layer is known only afterwards.
        let form = match moving.clone().any(|blob| blob.step == "compress") {
            true => ", before compression,",
            false => "",
        };
        writeln!(f, "{}: {}{form} would be sent", self.reference, Bytes(bytes))?;
        for BlobPlan { step, from, digest, bytes, layer } in &self.blobs {
            let kind = if *layer { "layer" } else { "config" };
            write!(f, "  {step:<8}  {:>8}  {kind:<6}  {:.12}", Bytes(*bytes), digest.hex())?;
            if let Some(from) = from {
                write!(f, "  from {from}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wharf_oci::{Algorithm, Descriptor, media_type};

    use super::*;

    #[test]
    fn each_blob_has_its_line() {
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let planned = |step, size, is_layer| Planned {
            blob: Descriptor::new(media_type::OCI_LAYER, digest, size),
            is_layer,
            step,
        };
        let base = "team/base".parse().unwrap();
        let blobs = vec![
            planned(Step::Send, 1000, false),
            planned(Step::Present, 178_700_000, true),
            planned(Step::Mount(base), 5, true),
            planned(Step::Compress, 48_000_000, true),
        ];
        let destination = Destination {
            registry: "localhost:5000".parse().unwrap(),
            pods: None,
            name: "app".parse().unwrap(),
            reference: "v1".parse().unwrap(),
        };
        let plan = Plan { is_there: false, digest: None, blobs };
        let image = ImagePlan::of(plan.clone(), &destination, "a test".into());
        let text = Plans { images: vec![image] }.to_string();
        let lines: Vec<_> = text.lines().collect();
        let hex = &digest.hex()[..12];
        assert_eq!(lines[0], "localhost:5000/app:v1: 48.0 MB, before compression, would be sent");
        assert_eq!(lines[1], format!("  send        1.0 kB  config  {hex}"));
        assert_eq!(lines[3], format!("  mount          5 B  layer   {hex}  from team/base"));
        let sent = Plan { blobs: plan.blobs[..2].to_vec(), ..plan.clone() };
        let sent = ImagePlan::of(sent, &destination, "a test".into()).to_string();
        assert!(sent.starts_with("localhost:5000/app:v1: 1.0 kB would be sent\n"), "{sent}");
        let unchanged = Plan { is_there: true, blobs: Vec::new(), ..plan };
        let image = ImagePlan::of(unchanged, &destination, "a test".into());
        assert!(image.to_string().contains("nothing would move"));
    }
}
