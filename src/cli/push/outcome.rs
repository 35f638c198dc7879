//! What came of a push: for a person, one line; for a script, the name to write into a Kubernetes
//! manifest, or all of it as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use wharf_oci::Digest;
use wharf_pusher::Pushed;

use super::destination::Destination;
use crate::cli::amount::{Bytes, Speed, Time};
use crate::demo::seconds;

/// Below this a push is all waiting, and a speed says nothing, in bytes.
const SPEED_BYTES_MIN: u64 = 1_000_000;

/// All images of one command. Its `Display` form is the names for pods, one a line.
#[derive(Debug, Serialize)]
pub struct Outcomes {
    /// The images, in the order of the command line.
    pub images: Vec<Outcome>,
    /// From the first question to the last answer.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub time: Duration,
}

/// An image that is in its registry now.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The name on this machine.
    pub reference: String,
    /// The name for a Kubernetes manifest.
    pub pod_reference: String,
    /// The manifest's digest in the registry.
    pub digest: Digest,
    /// Whether the manifest is the source's own, byte for byte.
    pub same_manifest: bool,
    /// Where the image came from.
    pub source: String,
    /// Which road it took.
    pub road: &'static str,
    /// Whether it was there already, so that nothing was done.
    pub unchanged: bool,
    /// Bytes that moved: over HTTP, or inside the registry's machine.
    pub sent_bytes: u64,
    /// Bytes that were there.
    pub reused_bytes: u64,
    /// Bytes that the registry took over from another of its repositories.
    pub mounted_bytes: u64,
}

/// The road of the layers that went over HTTP.
pub const STREAM: &str = "stream";
/// The road of those that the registry took out of the store.
pub const INGEST: &str = "ingest";

impl Outcome {
    /// What came of an image.
    pub fn of(
        pushed: &Pushed,
        destination: &Destination,
        source: String,
        road: &'static str,
    ) -> Self {
        Self {
            reference: destination.here(),
            pod_reference: destination.in_a_pod(),
            digest: pushed.digest,
            same_manifest: pushed.is_original,
            source,
            road,
            unchanged: pushed.was_there,
            sent_bytes: pushed.sent_bytes,
            reused_bytes: pushed.reused_bytes,
            mounted_bytes: pushed.mounted_bytes,
        }
    }
}

impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.images.iter().try_for_each(|image| writeln!(f, "{}", image.pod_reference))
    }
}

impl Outcomes {
    /// The lines for a person.
    pub fn words(&self) -> Vec<String> {
        // With one image, its time is that of the command.
        let alone = self.images.len() == 1;
        let mut lines: Vec<_> =
            self.images.iter().map(|image| image.words(alone.then_some(self.time))).collect();
        if !alone {
            let sent: u64 = self.images.iter().map(|image| image.sent_bytes).sum();
            lines.push(format!("{} images: {}", self.images.len(), moved(sent, self.time)));
        }
        lines
    }
}

impl Outcome {
    fn words(&self, time: Option<Duration>) -> String {
        let mut parts = Vec::new();
        if self.unchanged {
            parts.push("unchanged".to_owned());
        }
        let verb = if self.road == INGEST { "taken in" } else { "sent" };
        if self.sent_bytes > 0 || !self.unchanged {
            parts.push(format!("{verb} {}", Bytes(self.sent_bytes)));
        }
        if self.mounted_bytes > 0 {
            parts.push(format!("mounted {}", Bytes(self.mounted_bytes)));
        }
        if self.reused_bytes > 0 {
            parts.push(format!("reused {}", Bytes(self.reused_bytes)));
        }
        if let Some(time) = time {
            parts.push(took(self.sent_bytes, time));
        }
        let mut words = format!("{}: {}\n{}", self.reference, parts.join(", "), self.digest);
        if !self.same_manifest {
            words.push_str("\nnot the local digest, as the layers go in another form");
        }
        words
    }
}

fn moved(bytes: u64, time: Duration) -> String {
    format!("sent {}, {}", Bytes(bytes), took(bytes, time))
}

fn took(bytes: u64, time: Duration) -> String {
    match bytes >= SPEED_BYTES_MIN {
        true => format!("{}, {}", Time(time), Speed(bytes, time)),
        false => Time(time).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use wharf_oci::Algorithm;

    use super::*;

    fn outcome(sent_bytes: u64, unchanged: bool) -> Outcome {
        Outcome {
            reference: "localhost:5000/app:v1".into(),
            pod_reference: "kind-registry:5000/app:v1".into(),
            digest: Digest::of(Algorithm::Sha256, b"x"),
            same_manifest: true,
            source: "a test".into(),
            road: STREAM,
            unchanged,
            sent_bytes,
            reused_bytes: 179_000_000,
            mounted_bytes: 0,
        }
    }

    #[test]
    fn a_script_gets_the_name_for_a_pod_and_nothing_else() {
        let images = vec![outcome(1, false), outcome(0, true)];
        let outcomes = Outcomes { images, time: Duration::from_millis(210) };
        assert_eq!(outcomes.to_string(), "kind-registry:5000/app:v1\n".repeat(2));
    }

    #[test]
    fn a_person_is_told_what_moved_and_how_fast() {
        let time = Duration::from_millis(210);
        let words = |image| Outcomes { images: vec![image], time }.words().join("\n");
        let digest = outcome(0, true).digest;
        assert_eq!(
            words(outcome(48_200_000, false)),
            format!(
                "localhost:5000/app:v1: sent 48.2 MB, reused 179 MB, 210.0 ms, 230 MB/s\n{digest}"
            ),
        );
        assert_eq!(
            words(outcome(0, true)),
            format!("localhost:5000/app:v1: unchanged, reused 179 MB, 210.0 ms\n{digest}")
        );
        let mixed = Outcome {
            road: INGEST,
            mounted_bytes: 5000,
            reused_bytes: 0,
            same_manifest: false,
            ..outcome(600, false)
        };
        assert_eq!(
            words(mixed),
            format!(
                "localhost:5000/app:v1: taken in 600 B, mounted 5.0 kB, 210.0 ms\n{digest}\nnot the \
                 local digest, as the layers go in another form"
            )
        );
    }

    #[test]
    fn several_images_have_one_time() {
        let images = vec![outcome(1_000_000, false), outcome(1_000_000, false)];
        let words = Outcomes { images, time: Duration::from_secs(1) }.words();
        assert_eq!(words.len(), 3);
        assert_eq!(words[2], "2 images: sent 2.0 MB, 1.00 s, 2.0 MB/s");
        assert!(!words[0].contains("/s"), "{}", words[0]);
    }
}
