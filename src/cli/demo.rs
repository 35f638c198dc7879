//! `wharf demo`: shows on this machine, with nothing else installed, what Wharf does: serve, push,
//! pull, check, and push again for nothing.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use wharf_client::RegistryClient;
use wharf_oci::Digest;

use crate::cli::amount::{Bytes, Speed, Time};
use crate::cli::progress::Progress;
use crate::demo::{self, DemoError, DemoServer, Journey, Moved, Subject, Transfer};
use crate::failure::Failure;
use crate::report::Report;

/// Below this a transfer is all waiting, and a speed says nothing, in bytes.
const SPEED_BYTES_MIN: u64 = 1_000_000;

/// The demo takes no settings.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {}

/// Runs the demo, and reports what happened.
pub fn run(_args: DemoArgs, report: &Report) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(DemoError::Runtime)?;
    let demo = runtime.block_on(async {
        tokio::select! {
            demo = play(Progress::new(report)) => demo,
            // So that the temporary folder is removed here too.
            _ = tokio::signal::ctrl_c() => Err(DemoError::Interrupted),
        }
    })?;
    Ok(report.data(&demo)?)
}

async fn play(progress: Progress) -> Result<Demo, DemoError> {
    let server = DemoServer::start().await?;
    let subject = Subject::pack();
    let journey = Journey::new(&subject.image, RegistryClient::new(server.address().into()));
    let push = journey.push().await?;
    let pull = journey.pull(progress).await?;
    let again = journey.push().await?;
    if let Some(sent) = again.parts.first() {
        return Err(DemoError::SentAgain { part: sent.part });
    }
    let demo = Demo {
        registry: Registry { address: server.address(), ready_in: server.ready_in() },
        image: Packed::of(&subject),
        push,
        pull,
        second_push: again,
    };
    server.end().await?;
    Ok(demo)
}

/// What happened.
#[derive(Debug, Serialize)]
struct Demo {
    registry: Registry,
    image: Packed,
    push: Transfer,
    pull: Transfer,
    second_push: Transfer,
}

#[derive(Debug, Serialize)]
struct Registry {
    address: SocketAddr,
    #[serde(rename = "ready_seconds", serialize_with = "demo::seconds")]
    ready_in: Duration,
}

#[derive(Debug, Serialize)]
struct Packed {
    digest: Digest,
    platform: String,
    bytes: u64,
    /// Why the image holds no program that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    generated_because: Option<String>,
    #[serde(rename = "packed_seconds", serialize_with = "demo::seconds")]
    packed_in: Duration,
}

impl Packed {
    fn of(subject: &Subject) -> Self {
        let image = &subject.image;
        Self {
            digest: image.digest(),
            platform: format!("linux/{}", image.architecture.as_str()),
            bytes: image.size(),
            generated_because: subject.stand_in.as_ref().map(ToString::to_string),
            packed_in: subject.packed_in,
        }
    }
}

/// What a build without optimisation has to say about its numbers.
const CAVEAT: &str = if cfg!(debug_assertions) {
    "This is a debug build: `cargo run --release -- demo` shows Wharf's own speed.\n"
} else {
    ""
};

impl fmt::Display for Demo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Registry { address, ready_in } = &self.registry;
        let (image, ready_in) = (&self.image, Time(*ready_in));
        write!(
            f,
            "\
A registry, a push and a pull, all on this machine.

registry  {address}, ready in {ready_in}, store in a temporary folder
image     {image}

"
        )?;
        line(f, ["", "part", "digest", "bytes", "time", "speed"])?;
        transfer(f, "push", &self.push)?;
        transfer(f, "pull", &self.pull)?;
        let (parts, asked) = (self.push.parts.len(), Time(self.second_push.time));
        write!(
            f,
            "\
push      again: all {parts} parts were there, 0 bytes sent, {asked}

Every byte that came back was hashed and compared: all {parts} digests agree.
{CAVEAT}The temporary store is gone again. Next, a registry that stays:

  wharf serve
  wharf push IMAGE
"
        )
    }
}

impl fmt::Display for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { platform, packed_in, .. } = self;
        let (bytes, packed_in) = (Bytes(self.bytes), Time(*packed_in));
        match &self.generated_because {
            None => write!(f, "wharf itself for {platform}, {bytes}, packed in {packed_in}"),
            Some(reason) => write!(
                f,
                "generated, {bytes}, made in {packed_in}, since this program packs into no \
                 image:\n          {reason}"
            ),
        }
    }
}

fn transfer(f: &mut fmt::Formatter<'_>, verb: &str, transfer: &Transfer) -> fmt::Result {
    for (index, Moved { part, digest, bytes, time }) in transfer.parts.iter().enumerate() {
        let verb = if index == 0 { verb } else { "" };
        // As much of a digest as Podman shows of one.
        let digest = format!("{}:{:.12}", digest.algorithm(), digest.hex());
        amounts(f, [verb, part, &digest], *bytes, *time)?;
    }
    amounts(f, ["", "all", ""], transfer.bytes(), transfer.time)?;
    writeln!(f)
}

fn amounts(
    f: &mut fmt::Formatter<'_>,
    [verb, part, digest]: [&str; 3],
    bytes: u64,
    time: Duration,
) -> fmt::Result {
    let speed = (bytes >= SPEED_BYTES_MIN).then(|| Speed(bytes, time).to_string());
    let (bytes, time) = (Bytes(bytes).to_string(), Time(time).to_string());
    line(f, [verb, part, digest, &bytes, &time, &speed.unwrap_or_default()])
}

fn line(f: &mut fmt::Formatter<'_>, cells: [&str; 6]) -> fmt::Result {
    let [verb, part, digest, bytes, time, speed] = cells;
    let line = format!("{verb:<8}  {part:<8}  {digest:<19}  {bytes:>8}  {time:>8}  {speed:>8}");
    writeln!(f, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use wharf_oci::Algorithm;

    use super::*;

    #[test]
    fn the_report_keeps_to_a_terminal_of_eighty_columns() {
        let moved = |part, bytes| Moved {
            part,
            digest: Digest::of(Algorithm::Sha256, b"x"),
            bytes,
            time: Duration::from_millis(20),
        };
        let transfer = Transfer {
            parts: vec![moved("layer", 999_400_000), moved("manifest", 712)],
            time: Duration::from_millis(22),
        };
        let address = "127.0.0.1:41233".parse().unwrap();
        let demo = Demo {
            registry: Registry { address, ready_in: Duration::from_micros(3100) },
            image: Packed {
                digest: Digest::of(Algorithm::Sha256, b"x"),
                platform: "linux/amd64".into(),
                bytes: 6_200_000,
                generated_because: None,
                packed_in: Duration::from_millis(5),
            },
            push: transfer.clone(),
            pull: transfer,
            second_push: Transfer { parts: Vec::new(), time: Duration::from_micros(900) },
        };
        let text = demo.to_string();
        for line in text.lines() {
            assert!(line.chars().count() <= 80 && line == line.trim_end(), "{line}");
        }
        assert!(text.contains("all 2 parts were there, 0 bytes sent, 900 µs"), "{text}");
        assert_eq!(text.matches("MB/s").count() + text.matches("GB/s").count(), 4, "{text}");
    }
}
