//! The rows of the report: which measurement, which number of it, and what is aimed at.

use std::fmt;

use crate::{Measurement, Operation};

/// One row.
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) decimals: usize,
    operation: Operation,
    /// Clients of the measurement; `None` when any number will do.
    clients: Option<usize>,
    /// Blobs in the store, where that is the question.
    stored: Option<u64>,
    pub(super) value: fn(&Measurement) -> Option<f64>,
    better: Better,
    pub(super) aims: &'static [Aim],
}

/// Which of two values is the better one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    Less,
    More,
}

/// What is aimed at: a bound on the ratio to a peer, or on the value itself.
pub(super) struct Aim {
    pub(super) peer: Option<&'static str>,
    bound: Bound,
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Row {
    /// Whether the measurement belongs to this row.
    pub(super) fn is_about(&self, measured: &Measurement) -> bool {
        measured.operation == self.operation
            && self.clients.is_none_or(|clients| clients == measured.clients)
            && self.stored.is_none_or(|stored| Some(stored) == measured.stored)
    }

    /// Whether a ratio says that the peer is ahead, by at least what two decimals show.
    pub(super) fn is_behind(&self, ratio: f64) -> bool {
        match self.better {
            Better::Less => ratio >= 1.005,
            Better::More => ratio < 0.995,
        }
    }
}

impl Aim {
    pub(super) fn is_met(&self, value: f64) -> bool {
        match self.bound {
            Bound::AtLeast(bound) => value >= bound,
            Bound::AtMost(bound) => value <= bound,
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, bound) = match self.bound {
            Bound::AtLeast(bound) => ("at least", bound),
            Bound::AtMost(bound) => ("at most", bound),
        };
        match self.peer {
            Some(peer) => write!(formatter, "{word} {bound} of {peer}"),
            None => write!(formatter, "{word} {bound}"),
        }
    }
}

const REGISTRY: Option<&str> = Some("docker-registry");
const NGINX: Option<&str> = Some("nginx");

const HALF_THE_CPU: &[Aim] = &[
    Aim { peer: REGISTRY, bound: Bound::AtMost(0.5) },
    Aim { peer: NGINX, bound: Bound::AtMost(1.1) },
];
const AHEAD: &[Aim] = &[Aim { peer: REGISTRY, bound: Bound::AtLeast(1.0) }];
const TEN_TIMES: &[Aim] = &[Aim { peer: REGISTRY, bound: Bound::AtLeast(10.0) }];

fn megabytes(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|bytes| bytes as f64 / 1e6)
}

const fn pull_speed(title: &'static str, clients: usize) -> Row {
    Row {
        title,
        unit: "GB/s",
        decimals: 2,
        operation: Operation::Pull,
        clients: Some(clients),
        stored: None,
        value: Measurement::gigabytes_per_second,
        better: Better::More,
        aims: AHEAD,
    }
}

const fn pull_cost(title: &'static str, clients: usize, aims: &'static [Aim]) -> Row {
    Row {
        title,
        unit: "server CPU s per GB",
        decimals: 3,
        operation: Operation::Pull,
        clients: Some(clients),
        stored: None,
        value: Measurement::cpu_seconds_per_gigabyte,
        better: Better::Less,
        aims,
    }
}

const fn push_speed(title: &'static str, operation: Operation, clients: usize) -> Row {
    Row {
        title,
        unit: "s to the last 201",
        decimals: 2,
        operation,
        clients: Some(clients),
        stored: None,
        value: |measured| Some(measured.seconds),
        better: Better::Less,
        aims: &[],
    }
}

const fn push_cost(title: &'static str, operation: Operation, clients: usize) -> Row {
    Row {
        title,
        unit: "server CPU s per GB",
        decimals: 3,
        operation,
        clients: Some(clients),
        stored: None,
        value: Measurement::cpu_seconds_per_gigabyte,
        better: Better::Less,
        aims: &[],
    }
}

const fn rate(title: &'static str, operation: Operation) -> Row {
    Row {
        title,
        unit: "requests/s",
        decimals: 0,
        operation,
        clients: Some(16),
        stored: None,
        value: Measurement::requests_per_second,
        better: Better::More,
        aims: TEN_TIMES,
    }
}

const fn cost(title: &'static str, operation: Operation) -> Row {
    Row {
        title,
        unit: "server CPU µs each",
        decimals: 1,
        operation,
        clients: Some(16),
        stored: None,
        value: Measurement::cpu_micros_per_request,
        better: Better::Less,
        aims: &[],
    }
}

const fn ready(title: &'static str, stored: u64) -> Row {
    Row {
        title,
        unit: "ms",
        decimals: 1,
        operation: Operation::Ready,
        clients: None,
        stored: Some(stored),
        value: |measured| Some(measured.seconds * 1e3),
        better: Better::Less,
        aims: &[Aim { peer: None, bound: Bound::AtMost(50.0) }],
    }
}

const fn syncs(title: &'static str, operation: Operation) -> Row {
    Row {
        title,
        unit: "sync calls",
        decimals: 1,
        operation,
        clients: None,
        stored: None,
        value: |measured| measured.syncs,
        better: Better::Less,
        aims: &[],
    }
}

const fn memory(
    title: &'static str,
    value: fn(&Measurement) -> Option<f64>,
    aims: &'static [Aim],
) -> Row {
    Row {
        title,
        unit: "MB",
        decimals: 1,
        operation: Operation::Mixed,
        clients: None,
        stored: None,
        value,
        better: Better::Less,
        aims,
    }
}

/// All rows, in the order of the table.
pub(super) const ROWS: &[Row] = &[
    pull_cost("pull, 1 client", 1, HALF_THE_CPU),
    pull_cost("pull, 8 clients", 8, HALF_THE_CPU),
    pull_cost("pull, 64 clients", 64, &[]),
    pull_speed("pull, 1 client", 1),
    pull_speed("pull, 8 clients", 8),
    pull_speed("pull, 64 clients", 64),
    Row {
        title: "push of one 1 GiB blob",
        unit: "GB/s",
        decimals: 2,
        operation: Operation::Push,
        clients: Some(1),
        stored: None,
        value: Measurement::gigabytes_per_second,
        better: Better::More,
        aims: &[Aim { peer: REGISTRY, bound: Bound::AtLeast(2.5) }],
    },
    push_speed("push of one 1 GiB blob", Operation::Push, 1),
    push_cost("push of one 1 GiB blob", Operation::Push, 1),
    push_speed("push of 8 blobs by 8 clients", Operation::Push, 8),
    push_cost("push of 8 blobs by 8 clients", Operation::Push, 8),
    push_speed("push of the same blob by 8 clients", Operation::PushSame, 8),
    syncs("push of a blob", Operation::SyncBlob),
    syncs("push of an image of 3 layers", Operation::SyncImage),
    rate("GET manifest by tag", Operation::GetManifest),
    rate("HEAD manifest by tag", Operation::HeadManifest),
    rate("GET blob of 2 bytes", Operation::GetBlob),
    rate("HEAD blob", Operation::HeadBlob),
    cost("GET manifest by tag", Operation::GetManifest),
    cost("HEAD manifest by tag", Operation::HeadManifest),
    cost("GET blob of 2 bytes", Operation::GetBlob),
    cost("HEAD blob", Operation::HeadBlob),
    memory(
        "64 pulls and 8 pushes at once, private memory",
        |measured| megabytes(measured.private_bytes_max),
        &[Aim { peer: None, bound: Bound::AtMost(32.0) }],
    ),
    memory(
        "64 pulls and 8 pushes at once, resident with mapped files",
        |measured| megabytes(measured.resident_bytes_max),
        &[],
    ),
    ready("ready, empty store", 0),
    ready("ready, 20,000 blobs", 20_000),
];
