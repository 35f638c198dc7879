//! One measurement: a line of JSON for programs, a line of a table for people.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Size;
use crate::server::Usage;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// GETs of one large blob.
    Pull,
    /// Pulls of a whole image by reference: manifest, configuration and layers.
    PullImage,
    /// As [`Operation::Pull`], of a blob that is on the disk alone.
    PullCold,
    /// Pushes of blobs that differ.
    Push,
    /// Pushes of one and the same blob by several clients.
    PushSame,
    /// GETs of a manifest by tag.
    GetManifest,
    /// HEADs of a manifest by tag.
    HeadManifest,
    /// GETs of a small blob.
    GetBlob,
    /// HEADs of a blob.
    HeadBlob,
    /// A walk through all tags of a repository.
    ListTags,
    /// A walk through all repositories.
    Catalog,
    /// As [`Operation::ListTags`], the first one of a server that was just started.
    ListTagsFirst,
    /// As [`Operation::Catalog`], the first one of a server that was just started.
    CatalogFirst,
    /// Pulls and pushes of large blobs at once.
    Mixed,
    /// From the start of the process to the first answer.
    Ready,
    /// Calls that sync, counted while blobs are pushed.
    SyncBlob,
    /// Calls that sync, counted while an image is pushed.
    SyncImage,
    /// Bytes of the program file, as [`Measurement::size`].
    Program,
    /// Bytes of the container image, as [`Measurement::size`].
    ContainerImage,
    /// A changed layer pushed, and the image pulled: the time that a developer waits.
    Loop,
}

/// What has to agree for two measurements to be comparable: between servers, and from round to round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// What was measured.
    pub operation: Operation,
    /// Bytes of each blob or image, where that is given.
    pub size: Option<u64>,
    /// Connections, pulls or pushes at once.
    pub clients: usize,
}

/// One measurement. Bytes are bytes, times are seconds but for latencies, and what was not or could not
/// be measured is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// The name of the server, as the caller gave it.
    pub server: String,
    /// What was measured.
    pub operation: Operation,
    /// Connections, pulls or pushes at once.
    #[serde(default)]
    pub clients: usize,
    /// The round it belongs to, from 1; those of several servers with one number ran side by side in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// Bytes of each blob or image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Seconds on the clock.
    #[serde(default)]
    pub seconds: f64,
    /// Of a loop, the seconds of the push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_seconds: Option<f64>,
    /// Of a loop, the seconds of the pull.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_seconds: Option<f64>,
    /// Bytes of content moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Requests, or blobs pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Latencies, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// From a request to the first byte of its answer, in microseconds; of a pulled image, from the start
    /// of the pull to the first byte of its first layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<Latency>,
    /// CPU seconds of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// The most private memory of the server (`RssAnon`), in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_bytes_max: Option<u64>,
    /// The most resident memory of the server, mapped files included, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_bytes_max: Option<u64>,
    /// Calls of the `fsync` family per blob or image pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syncs: Option<f64>,
    /// Blobs in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<u64>,
}

/// How long single requests took, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Half took no longer.
    pub p50: u32,
    /// Nine in ten took no longer.
    pub p90: u32,
    /// All but one in a hundred took no longer.
    pub p99: u32,
    /// The longest.
    pub max: u32,
}

impl Measurement {
    /// A measurement with nothing in it but what it is about.
    #[must_use]
    pub fn new(server: &str, operation: Operation, clients: usize, time: Duration) -> Self {
        Self {
            server: server.to_owned(),
            operation,
            clients,
            round: None,
            size: None,
            seconds: time.as_secs_f64(),
            push_seconds: None,
            pull_seconds: None,
            bytes: None,
            requests: None,
            latency: None,
            first_byte: None,
            cpu_seconds: None,
            private_bytes_max: None,
            resident_bytes_max: None,
            syncs: None,
            stored: None,
        }
    }

    /// What it can be compared by.
    #[must_use]
    pub fn cell(&self) -> Cell {
        Cell { operation: self.operation, size: self.size, clients: self.clients }
    }

    /// Adds what the server used, where it was watched.
    #[must_use]
    pub fn with_usage(mut self, usage: Option<Usage>) -> Self {
        self.cpu_seconds = usage.map(|usage| usage.cpu_seconds);
        self.private_bytes_max = usage.map(|usage| usage.private_bytes_max);
        self.resident_bytes_max = usage.map(|usage| usage.resident_bytes_max);
        self
    }

    /// Gigabytes (10⁹) a second.
    #[must_use]
    pub fn gigabytes_per_second(&self) -> Option<f64> {
        Some(self.bytes? as f64 / 1e9 / self.seconds)
    }

    /// CPU seconds of the server per gigabyte (10⁹).
    #[must_use]
    pub fn cpu_seconds_per_gigabyte(&self) -> Option<f64> {
        Some(self.cpu_seconds? / (self.bytes? as f64 / 1e9))
    }

    /// Requests a second.
    #[must_use]
    pub fn requests_per_second(&self) -> Option<f64> {
        Some(self.requests? as f64 / self.seconds)
    }

    /// CPU microseconds of the server per request.
    #[must_use]
    pub fn cpu_micros_per_request(&self) -> Option<f64> {
        Some(self.cpu_seconds? * 1e6 / self.requests? as f64)
    }

    /// A line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!(
            "{:<16} {:<13} {:>3} clients {:>8.3} s",
            self.server,
            self.operation.name(),
            self.clients,
            self.seconds,
        );
        let mut add = |value: Option<f64>, decimals: usize, unit: &str| {
            if let Some(value) = value {
                line.push_str(&format!("  {value:.decimals$} {unit}"));
            }
        };
        add(self.gigabytes_per_second(), 2, "GB/s");
        add(self.cpu_seconds_per_gigabyte(), 3, "CPU s/GB");
        if self.bytes.is_none() {
            add(self.requests_per_second(), 0, "requests/s");
            add(self.cpu_micros_per_request(), 1, "CPU µs each");
        }
        if let Some(latency) = self.latency {
            add(Some(f64::from(latency.p50)), 0, "µs half");
            add(Some(f64::from(latency.p99)), 0, "µs 99 %");
        }
        add(self.private_bytes_max.map(|bytes| bytes as f64 / 1e6), 1, "MB private");
        add(self.syncs, 1, "syncs");
        line
    }
}

impl Operation {
    /// Its name, as it is written in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::PullImage => "pull-image",
            Self::Push => "push",
            Self::PushSame => "push-same",
            Self::GetManifest => "get-manifest",
            Self::HeadManifest => "head-manifest",
            Self::GetBlob => "get-blob",
            Self::HeadBlob => "head-blob",
            Self::Mixed => "mixed",
            Self::Ready => "ready",
            Self::SyncBlob => "sync-blob",
            Self::SyncImage => "sync-image",
            Self::PullCold => "pull-cold",
            Self::ListTags => "list-tags",
            Self::Catalog => "catalog",
            Self::Program => "program",
            Self::ContainerImage => "container-image",
            Self::ListTagsFirst => "list-tags-first",
            Self::CatalogFirst => "catalog-first",
            Self::Loop => "loop",
        }
    }
}

impl fmt::Display for Cell {
    /// As in `pull 256 MiB, 8 clients`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.operation.name())?;
        if let Some(size) = self.size {
            write!(formatter, " {}", Size(size))?;
        }
        write!(formatter, ", {} client{}", self.clients, if self.clients == 1 { "" } else { "s" })
    }
}

/// Whole microseconds of a time.
pub(crate) fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

impl Latency {
    /// The percentiles of these latencies; sorts them. `None` when there are none.
    #[must_use]
    pub fn of(micros: &mut [u32]) -> Option<Self> {
        micros.sort_unstable();
        let last = micros.len().checked_sub(1)?;
        let at = |share: f64| micros[(last as f64 * share).round() as usize];
        Some(Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_values() {
        let mut micros: Vec<u32> = (0..=100).rev().collect();
        let latency = Latency::of(&mut micros).unwrap();
        assert_eq!(latency, Latency { p50: 50, p90: 90, p99: 99, max: 100 });
        assert_eq!(Latency::of(&mut []), None);
    }

    #[test]
    fn a_cell_is_named_as_it_is_asked_for() {
        let named = |operation, size, clients| Cell { operation, size, clients }.to_string();
        assert_eq!(named(Operation::Pull, Some(256 << 20), 8), "pull 256 MiB, 8 clients");
        assert_eq!(named(Operation::Push, Some(1000), 1), "push 1000 bytes, 1 client");
        assert_eq!(named(Operation::GetManifest, None, 16), "get-manifest, 16 clients");
        let written = serde_json::to_value(Operation::PullImage).unwrap();
        assert_eq!(written, Operation::PullImage.name());
    }

    #[test]
    fn rates_are_per_second_and_per_gigabyte() {
        let mut measured = Measurement::new("a", Operation::Pull, 8, Duration::from_secs(2));
        measured.bytes = Some(4_000_000_000);
        measured.cpu_seconds = Some(1.0);
        assert_eq!(measured.gigabytes_per_second(), Some(2.0));
        assert_eq!(measured.cpu_seconds_per_gigabyte(), Some(0.25));
        let line = serde_json::to_string(&measured).unwrap();
        assert_eq!(serde_json::from_str::<Measurement>(&line).unwrap(), measured);
        assert!(!line.contains("latency"), "{line}");
    }
}
