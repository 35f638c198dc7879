//! The rows of the report: which measurement, which number of it, and what is aimed at.

use std::fmt;

use crate::plot::Better;
use crate::{Measurement, Operation};

/// One row.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) decimals: usize,
    pub(super) operation: Operation,
    /// Clients of the measurement; `None` when any number will do.
    clients: Option<usize>,
    /// Bytes of each blob; `None` when any size will do.
    size: Option<u64>,
    /// Blobs in the store, where that is the question.
    stored: Option<u64>,
    pub(super) value: fn(&Measurement) -> Option<f64>,
    pub(super) better: Better,
    pub(super) aims: &'static [Aim],
}

/// What is aimed at: one of these bounds is enough.
pub(super) struct Aim {
    pub(super) bounds: &'static [Bound],
}

/// A bound on the ratio to a peer, or on the value itself.
pub(super) struct Bound {
    pub(super) against: Against,
    limit: Limit,
}

/// Whom a bound is about.
#[derive(Clone, Copy)]
pub(super) enum Against {
    Best,
    BestThatSyncs,
    Distribution,
    Limit,
    Nobody,
}

#[derive(Clone, Copy)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Row {
    /// Its title and unit, which no other row has.
    pub(super) fn name(&self) -> String {
        format!("{}, {}", self.title, self.unit)
    }

    /// Whether the measurement belongs to this row.
    pub(super) fn is_about(&self, measured: &Measurement) -> bool {
        measured.operation == self.operation
            && self.clients.is_none_or(|clients| clients == measured.clients)
            && self.size.is_none_or(|size| Some(size) == measured.size)
            && self.stored.is_none_or(|stored| Some(stored) == measured.stored)
    }

    pub(super) fn is_push(&self) -> bool {
        use Operation::{Push, PushSame, SyncBlob, SyncImage};

        matches!(self.operation, Push | PushSame | SyncBlob | SyncImage)
    }

    /// Whether one value is better than another.
    pub(super) fn is_better(&self, one: f64, other: f64) -> bool {
        match self.better {
            Better::Less => one < other,
            Better::More => one > other,
        }
    }

    /// Whether a ratio says that the peer is ahead, by at least what two decimals show.
    pub(super) fn is_behind(&self, ratio: f64) -> bool {
        match self.better {
            Better::Less => ratio >= 1.005,
            Better::More => ratio < 0.995,
        }
    }
}

impl Bound {
    pub(super) fn is_met(&self, value: f64) -> bool {
        match self.limit {
            Limit::AtLeast(bound) => value >= bound,
            Limit::AtMost(bound) => value <= bound,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            Limit::AtLeast(bound) => write!(formatter, "at least {bound}")?,
            Limit::AtMost(bound) => write!(formatter, "at most {bound}")?,
        }
        formatter.write_str(match self.against {
            Against::Best => " of the best peer",
            Against::BestThatSyncs => " of the best that syncs",
            Against::Distribution => " of distribution",
            Against::Limit => " of the limit",
            Against::Nobody => "",
        })
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, bound) in self.bounds.iter().enumerate() {
            let joint = if index > 0 { " or " } else { "" };
            write!(formatter, "{joint}{bound}")?;
        }
        Ok(())
    }
}

const fn at_least(bound: f64, against: Against) -> Bound {
    Bound { against, limit: Limit::AtLeast(bound) }
}

const fn at_most(bound: f64, against: Against) -> Bound {
    Bound { against, limit: Limit::AtMost(bound) }
}

const NONE: &[Aim] = &[];
const NOT_WORSE: &[Aim] = &[Aim { bounds: &[at_least(1.0, Against::Best)] }];
const PULL_SPEED: &[Aim] = &[Aim { bounds: &[at_least(1.4, Against::Best)] }];
const PULL_COST: &[Aim] = &[
    Aim { bounds: &[at_most(0.5, Against::Best)] },
    Aim { bounds: &[at_most(1.1, Against::Limit)] },
];
const PUSH_SPEED: &[Aim] = &[
    Aim { bounds: &[at_least(2.0, Against::BestThatSyncs)] },
    Aim { bounds: &[at_least(0.85, Against::Limit)] },
];
const PUSH_COST: &[Aim] = &[Aim { bounds: &[at_most(0.75, Against::BestThatSyncs)] }];
const PUSHES_SPEED: &[Aim] =
    &[Aim { bounds: &[at_least(1.35, Against::BestThatSyncs), at_least(0.85, Against::Limit)] }];
const REQUESTS: &[Aim] =
    &[Aim { bounds: &[at_least(2.0, Against::Best), at_least(0.85, Against::Limit)] }];
const SYNCS: &[Aim] = &[Aim { bounds: &[at_most(0.25, Against::Distribution)] }];
const MEMORY: &[Aim] = &[Aim { bounds: &[at_most(32.0, Against::Nobody)] }];
const READY: &[Aim] = &[Aim { bounds: &[at_most(50.0, Against::Nobody)] }];

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A row of a measurement, its number left open.
const fn row(title: &'static str, operation: Operation, aims: &'static [Aim]) -> Row {
    Row {
        title,
        unit: "s",
        decimals: 3,
        operation,
        clients: None,
        size: None,
        stored: None,
        value: |measured| Some(measured.seconds),
        better: Better::Less,
        aims,
    }
}

impl Row {
    const fn of(mut self, size: u64, clients: usize) -> Self {
        self.size = Some(size);
        self.clients = Some(clients);
        self
    }

    const fn shown(
        mut self,
        unit: &'static str,
        decimals: usize,
        value: fn(&Measurement) -> Option<f64>,
        better: Better,
    ) -> Self {
        self.unit = unit;
        self.decimals = decimals;
        self.value = value;
        self.better = better;
        self
    }

    const fn speed(self) -> Self {
        self.shown("GB/s", 2, Measurement::gigabytes_per_second, Better::More)
    }

    const fn cost(self) -> Self {
        let value = Measurement::cpu_seconds_per_gigabyte;
        self.shown("server CPU s per GB", 3, value, Better::Less)
    }

    const fn rate(self, unit: &'static str) -> Self {
        self.shown(unit, 0, Measurement::requests_per_second, Better::More)
    }

    const fn each(self) -> Self {
        let value = Measurement::cpu_micros_per_request;
        self.shown("server CPU µs each", 1, value, Better::Less)
    }

    const fn syncs(self) -> Self {
        self.shown("sync calls", 1, |measured| measured.syncs, Better::Less)
    }

    const fn private(self) -> Self {
        self.shown("MB", 1, |measured| megabytes(measured.private_bytes_max), Better::Less)
    }

    const fn resident(self) -> Self {
        self.shown("MB", 1, |measured| megabytes(measured.resident_bytes_max), Better::Less)
    }

    const fn millis(mut self, stored: Option<u64>) -> Self {
        self.stored = stored;
        self.shown("ms", 1, |measured| Some(measured.seconds * 1e3), Better::Less)
    }

    const fn bytes(self) -> Self {
        self.shown("MB", 1, |measured| megabytes(measured.size), Better::Less)
    }
}

fn megabytes(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|bytes| bytes as f64 / 1e6)
}

use Operation::{
    Catalog, CatalogFirst, ContainerImage, GetBlob, GetManifest, HeadBlob, HeadManifest, ListTags,
    ListTagsFirst, Mixed, Program, Pull, PullCold, PullImage, Push, PushSame, Ready, SyncBlob,
    SyncImage,
};

/// All rows, in the order of the table.
pub(super) const ROWS: &[Row] = &[
    row("pull of 1 GiB, 1 client", Pull, NOT_WORSE).of(GIB, 1).speed(),
    row("pull of 1 GiB, 8 clients", Pull, PULL_SPEED).of(GIB, 8).speed(),
    row("pull of 1 GiB, 64 clients", Pull, NOT_WORSE).of(GIB, 64).speed(),
    row("pull of 100 MiB, 1 client", Pull, NOT_WORSE).of(100 * MIB, 1).speed(),
    row("pull of 100 MiB, 8 clients", Pull, PULL_SPEED).of(100 * MIB, 8).speed(),
    row("pull of 100 MiB, 64 clients", Pull, NOT_WORSE).of(100 * MIB, 64).speed(),
    row("pull of 1 MiB, 1 client", Pull, NOT_WORSE).of(MIB, 1).speed(),
    row("pull of 1 MiB, 8 clients", Pull, PULL_SPEED).of(MIB, 8).speed(),
    row("pull of 1 MiB, 64 clients", Pull, NOT_WORSE).of(MIB, 64).speed(),
    row("pull of 1 GiB, 1 client", Pull, PULL_COST).of(GIB, 1).cost(),
    row("pull of 1 GiB, 8 clients", Pull, PULL_COST).of(GIB, 8).cost(),
    row("pull of 1 GiB, 64 clients", Pull, PULL_COST).of(GIB, 64).cost(),
    row("pull of 100 MiB, 8 clients", Pull, NONE).of(100 * MIB, 8).cost(),
    row("pull of 1 MiB, 8 clients", Pull, NONE).of(MIB, 8).cost(),
    row("pull of 1 GiB, cold page cache", PullCold, NOT_WORSE).speed(),
    row("pull of 1 GiB, cold page cache", PullCold, NONE).cost(),
    row("a real image by 8 nodes at once", PullImage, NOT_WORSE).speed(),
    row("a real image by 8 nodes at once", PullImage, NONE).cost(),
    row("push of 1 GiB, 1 client", Push, PUSH_SPEED).of(GIB, 1).speed(),
    row("push of 1 GiB, 8 clients", Push, PUSHES_SPEED).of(GIB, 8).speed(),
    row("push of 256 MiB, 8 clients", Push, PUSHES_SPEED).of(256 * MIB, 8).speed(),
    row("push of 100 MiB, 1 client", Push, NONE).of(100 * MIB, 1).speed(),
    row("push of 100 MiB, 8 clients", Push, PUSHES_SPEED).of(100 * MIB, 8).speed(),
    row("push of 1 MiB, 1 client", Push, NONE).of(MIB, 1).speed(),
    row("push of 1 MiB, 8 clients", Push, NONE).of(MIB, 8).speed(),
    row("push of 1 GiB, 1 client", Push, PUSH_COST).of(GIB, 1).cost(),
    row("push of 1 GiB, 8 clients", Push, NONE).of(GIB, 8).cost(),
    row("push of 256 MiB, 8 clients", Push, NONE).of(256 * MIB, 8).cost(),
    row("push of 100 MiB, 8 clients", Push, NONE).of(100 * MIB, 8).cost(),
    row("push of 1 MiB, 8 clients", Push, NONE).of(MIB, 8).cost(),
    row("the same 256 MiB by 8 clients at once", PushSame, PUSHES_SPEED).speed(),
    row("the same 256 MiB by 8 clients at once", PushSame, NONE).cost(),
    row("small blobs by 8 clients", Push, NONE).of(KIB, 8).rate("blobs/s"),
    row("small blobs by 8 clients", Push, NONE).of(KIB, 8).each(),
    row("push of a blob", SyncBlob, NONE).syncs(),
    row("push of an image of 3 layers", SyncImage, SYNCS).syncs(),
    row("GET manifest by tag", GetManifest, REQUESTS).rate("requests/s"),
    row("HEAD manifest by tag", HeadManifest, REQUESTS).rate("requests/s"),
    row("GET blob of 2 bytes", GetBlob, REQUESTS).rate("requests/s"),
    row("HEAD blob", HeadBlob, REQUESTS).rate("requests/s"),
    row("GET manifest by tag", GetManifest, NONE).each(),
    row("HEAD manifest by tag", HeadManifest, NONE).each(),
    row("GET blob of 2 bytes", GetBlob, NONE).each(),
    row("HEAD blob", HeadBlob, NONE).each(),
    row("all tags of a repository that has half of them", ListTags, NOT_LONGER).millis(None),
    row("the whole catalog", Catalog, NOT_LONGER).millis(None),
    row("all those tags, for the first time after a start", ListTagsFirst, NONE).millis(None),
    row("the whole catalog, for the first time after a start", CatalogFirst, NONE).millis(None),
    row("64 pulls and 8 pushes at once, private memory", Mixed, MEMORY).private(),
    row("64 pulls and 8 pushes at once, resident with mapped files", Mixed, NONE).resident(),
    row("ready, empty store", Ready, READY).millis(Some(0)),
    row("ready, 100,000 blobs", Ready, READY).millis(Some(100_000)),
    row("program file", Program, NONE).bytes(),
    row("container image, unpacked", ContainerImage, NONE).bytes(),
];

const NOT_LONGER: &[Aim] = &[Aim { bounds: &[at_most(1.0, Against::Best)] }];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rows_have_one_name() {
        let mut names: Vec<String> = ROWS.iter().map(Row::name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), ROWS.len());
    }
}
