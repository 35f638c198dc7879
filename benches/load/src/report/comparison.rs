//! Every number of every cell, for each server with its spread, and the ratio of the first server to each
//! other one, formed round by round. Nothing is left out and nothing is judged.

use super::summary::{Ratio, Spread, ratio, spread};
use crate::measurement::{Cell, Operation};
use crate::plot::{Better, Group, Panel};
use crate::{Measurement, measurement::Latency};

/// A number that a measurement may hold.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    /// What it is: `throughput`.
    pub name: &'static str,
    /// Its unit: `GB/s`.
    pub unit: &'static str,
    /// Which end is the good one.
    pub better: Better,
    value: fn(&Measurement) -> Option<f64>,
}

/// One number of one cell.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What was measured.
    pub cell: Cell,
    /// Which number of it.
    pub quantity: &'static Quantity,
    /// Of each server, in the order of [`Compared::servers`]; `None` where it was not measured.
    pub spreads: Vec<Option<Spread>>,
    /// Of the first server to each one, with itself absent.
    pub ratios: Vec<Option<Ratio>>,
}

/// All measurements of a run, compared.
#[derive(Debug, Clone)]
pub struct Compared {
    /// The servers, in the order in which they first appear.
    pub servers: Vec<String>,
    /// Cell by cell in the order in which they were measured, and in each the numbers that somebody has.
    pub rows: Vec<Comparison>,
    /// The most rounds that a server has in a cell.
    pub rounds: usize,
}

/// Bytes moved a second say something of large blobs; of a thousand small ones requests do.
const LARGE_BYTES: u64 = 1 << 20;

const QUANTITIES: &[Quantity] = &[
    Quantity { name: "throughput", unit: "GB/s", better: Better::More, value: throughput },
    Quantity { name: "server's CPU time", unit: "s/GB", better: Better::Less, value: cost },
    Quantity { name: "requests", unit: "1/s", better: Better::More, value: request_rate },
    Quantity {
        name: "server's CPU time",
        unit: "µs/request",
        better: Better::Less,
        value: request_cost,
    },
    Quantity { name: "duration", unit: "s", better: Better::Less, value: duration },
    Quantity {
        name: "of it the push",
        unit: "s",
        better: Better::Less,
        value: |measured| measured.push_seconds,
    },
    Quantity {
        name: "of it the pull",
        unit: "s",
        better: Better::Less,
        value: |measured| measured.pull_seconds,
    },
    Quantity {
        name: "first byte, half",
        unit: "ms",
        better: Better::Less,
        value: |measured| millis(measured.first_byte, |latency| latency.p50),
    },
    Quantity {
        name: "first byte, 99 %",
        unit: "ms",
        better: Better::Less,
        value: |measured| millis(measured.first_byte, |latency| latency.p99),
    },
    Quantity {
        name: "latency, half",
        unit: "ms",
        better: Better::Less,
        value: |measured| millis(measured.latency, |latency| latency.p50),
    },
    Quantity {
        name: "latency, 90 %",
        unit: "ms",
        better: Better::Less,
        value: |measured| millis(measured.latency, |latency| latency.p90),
    },
    Quantity {
        name: "latency, 99 %",
        unit: "ms",
        better: Better::Less,
        value: |measured| millis(measured.latency, |latency| latency.p99),
    },
    Quantity {
        name: "private memory at its peak",
        unit: "MB",
        better: Better::Less,
        value: |measured| Some(measured.private_bytes_max? as f64 / 1e6),
    },
    Quantity { name: "syncs", unit: "", better: Better::Less, value: |measured| measured.syncs },
];

fn throughput(measured: &Measurement) -> Option<f64> {
    moves_much(measured).then(|| measured.gigabytes_per_second()).flatten()
}

fn cost(measured: &Measurement) -> Option<f64> {
    moves_much(measured).then(|| measured.cpu_seconds_per_gigabyte()).flatten()
}

fn request_rate(measured: &Measurement) -> Option<f64> {
    (!moves_much(measured)).then(|| measured.requests_per_second()).flatten()
}

fn request_cost(measured: &Measurement) -> Option<f64> {
    (!moves_much(measured)).then(|| measured.cpu_micros_per_request()).flatten()
}

fn moves_much(measured: &Measurement) -> bool {
    let each = measured.bytes.map(|bytes| bytes / measured.requests.unwrap_or(1).max(1));
    measured.size.or(each).is_some_and(|size| size >= LARGE_BYTES)
        && measured.operation != Operation::Loop
}

/// The clock, where it runs for one thing from its beginning to its end and not for as long as it was let.
fn duration(measured: &Measurement) -> Option<f64> {
    let is_one = matches!(
        measured.operation,
        Operation::Loop | Operation::Ready | Operation::PullImage | Operation::PushSame
    );
    is_one.then_some(measured.seconds)
}

fn millis(latency: Option<Latency>, of: fn(&Latency) -> u32) -> Option<f64> {
    Some(f64::from(of(&latency?)) / 1e3)
}

impl Compared {
    /// Compares measurements, which stand in the order in which they were made.
    #[must_use]
    pub fn of(measured: &[Measurement]) -> Self {
        let servers = in_order(measured.iter().map(|measured| measured.server.clone()));
        let cells = in_order(measured.iter().map(Measurement::cell));
        let mut rows = Vec::new();
        let mut rounds = 0;
        for cell in cells {
            let of_cell: Vec<_> =
                measured.iter().filter(|measured| measured.cell() == cell).collect();
            for server in &servers {
                rounds = rounds.max(of_cell.iter().filter(|it| it.server == *server).count());
            }
            let rows_of = QUANTITIES
                .iter()
                .filter_map(|quantity| Comparison::of(&of_cell, cell, quantity, &servers));
            rows.extend(rows_of);
        }
        Self { servers, rows, rounds }
    }

    /// The same as panels to be drawn: one per quantity, with the cells as its groups.
    #[must_use]
    pub fn panels(&self) -> Vec<Panel> {
        let mut panels: Vec<Panel> = Vec::new();
        for quantity in QUANTITIES.iter().filter(|quantity| quantity.is_drawn()) {
            let rows = self.rows.iter().filter(|row| std::ptr::eq(row.quantity, quantity));
            let group = |row: &Comparison| Group {
                label: row.cell.to_string(),
                values: row.spreads.clone(),
            };
            let groups: Vec<_> = rows.map(group).collect();
            if !groups.is_empty() {
                let Quantity { name, unit, better, .. } = *quantity;
                let (title, unit) = (capitalised(name), unit.to_owned());
                panels.push(Panel { title, unit, better, groups });
            }
        }
        panels
    }
}

impl Quantity {
    /// A picture of everything would be a table: of the percentiles it shows the outermost.
    fn is_drawn(&self) -> bool {
        !matches!(self.name, "first byte, 99 %" | "latency, half" | "latency, 90 %")
    }

    /// `throughput, GB/s`.
    #[must_use]
    pub fn title(&self) -> String {
        match self.unit {
            "" => self.name.to_owned(),
            unit => format!("{}, {unit}", self.name),
        }
    }
}

impl Comparison {
    /// `None` when no server has such a number.
    fn of(
        measured: &[&Measurement],
        cell: Cell,
        quantity: &'static Quantity,
        servers: &[String],
    ) -> Option<Self> {
        // By round, as a round that one server does not have must not shift the others.
        let values = |server: &String| -> Vec<(usize, f64)> {
            let own = measured.iter().filter(|measured| measured.server == *server).enumerate();
            let number = |(index, measured): (usize, &&Measurement)| {
                let round = measured.round.map_or(index + 1, |round| round as usize);
                Some((round, (quantity.value)(measured)?))
            };
            own.filter_map(number).collect()
        };
        let all: Vec<_> = servers.iter().map(values).collect();
        let plain =
            |values: &[(usize, f64)]| values.iter().map(|(_, value)| *value).collect::<Vec<_>>();
        let spreads: Vec<_> = all.iter().map(|values| spread(&plain(values))).collect();
        spreads.iter().flatten().next()?;
        let first = all.first()?;
        let ratio_to = |(index, peer): (usize, &Vec<(usize, f64)>)| {
            if index == 0 {
                return None;
            }
            let partner = |round: usize| peer.iter().find(|(other, _)| *other == round);
            let pairs = first.iter().filter_map(|(round, own)| Some((*own, partner(*round)?.1)));
            let (own, peers): (Vec<_>, Vec<_>) = pairs.unzip();
            ratio(&own, &peers)
        };
        let ratios = all.iter().enumerate().map(ratio_to).collect();
        Some(Self { cell, quantity, spreads, ratios })
    }
}

fn in_order<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn pulled(server: &str, round: u32, seconds: f64) -> Measurement {
        let time = Duration::from_secs_f64(seconds);
        let mut measured = Measurement::new(server, Operation::Pull, 8, time);
        measured.size = Some(256 << 20);
        measured.bytes = Some(1_000_000_000);
        measured.round = Some(round);
        measured
    }

    #[test]
    fn a_ratio_is_that_of_the_same_round() {
        // The peer's first round is missing: by their order alone, 1 would meet 4.
        let compared = Compared::of(&[
            pulled("a", 1, 1.0),
            pulled("a", 2, 0.5),
            pulled("b", 2, 0.25),
            pulled("a", 3, 0.25),
            pulled("b", 3, 1.0),
        ]);
        assert_eq!(compared.servers, ["a", "b"]);
        assert_eq!(compared.rounds, 3);
        let [row] = &compared.rows[..] else { panic!("{:?}", compared.rows) };
        assert_eq!(row.quantity.title(), "throughput, GB/s");
        let own = row.spreads[0].unwrap();
        assert_eq!((own.median, own.least, own.most), (2.0, 1.0, 4.0));
        assert_eq!(row.ratios[0], None);
        let ratio = row.ratios[1].unwrap();
        assert_eq!((ratio.median, ratio.least, ratio.most), (2.25, 0.5, 4.0));
    }

    #[test]
    fn cells_of_another_size_are_not_mixed() {
        let mut small = pulled("a", 1, 1.0);
        small.size = Some(1 << 20);
        let compared = Compared::of(&[pulled("a", 1, 1.0), small]);
        assert_eq!(compared.rows.len(), 2);
        let panels = compared.panels();
        assert_eq!(panels.len(), 1);
        assert_eq!(panels[0].groups[0].label, "pull 256 MiB, 8 clients");
        assert_eq!(panels[0].groups[1].label, "pull 1 MiB, 8 clients");
    }

    #[test]
    fn small_things_are_counted_and_large_ones_weighed() {
        let mut small = Measurement::new("a", Operation::GetBlob, 16, Duration::from_secs(2));
        small.size = Some(1024);
        small.bytes = Some(1024 * 1000);
        small.requests = Some(1000);
        small.latency = Some(Latency { p50: 1500, p90: 2000, p99: 3000, max: 4000 });
        let compared = Compared::of(&[small]);
        let titles: Vec<_> = compared.rows.iter().map(|row| row.quantity.title()).collect();
        assert_eq!(
            titles,
            ["requests, 1/s", "latency, half, ms", "latency, 90 %, ms", "latency, 99 %, ms"]
        );
        assert_eq!(compared.rows[0].spreads[0].unwrap().median, 500.0);
        assert_eq!(compared.rows[1].spreads[0].unwrap().median, 1.5);
    }

    #[test]
    fn nothing_measured_is_nothing_compared() {
        let compared = Compared::of(&[]);
        assert!(compared.servers.is_empty() && compared.rows.is_empty());
        assert!(compared.panels().is_empty());
    }
}
