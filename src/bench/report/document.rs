//! The one JSON document of a run: the machine, the settings, every measurement, and what they come to.

use serde::Serialize;
use wharf_load::Measurement;
use wharf_load::plot::Better;
use wharf_load::report::{Compared, Comparison, Ratio, Spread};

use super::machine::Machine;

/// A run.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    /// The machine that measured.
    pub machine: &'a Machine,
    /// When it ended, by RFC 3339.
    pub ended: String,
    /// The version of the program that measured.
    pub wharf_version: &'static str,
    /// The command line.
    pub settings: &'a [String],
    /// Every measurement, in the order in which they were made.
    pub measurements: &'a [Measurement],
    /// What they come to.
    pub summary: Vec<Line<'a>>,
}

/// One number of one cell.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    operation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    clients: usize,
    quantity: &'static str,
    unit: &'static str,
    /// `more` or `less`.
    better: &'static str,
    servers: Vec<Value<'a>>,
    ratios: Vec<Against<'a>>,
}

#[derive(Debug, Serialize)]
struct Value<'a> {
    server: &'a str,
    #[serde(flatten)]
    spread: Spread,
}

/// The first server's value divided by that of another, round by round.
#[derive(Debug, Serialize)]
struct Against<'a> {
    against: &'a str,
    #[serde(flatten)]
    ratio: Ratio,
}

/// The lines of the summary.
pub fn summary(compared: &Compared) -> Vec<Line<'_>> {
    compared.rows.iter().map(|row| line(row, &compared.servers)).collect()
}

fn line<'a>(row: &Comparison, servers: &'a [String]) -> Line<'a> {
    let value = |(server, spread): (&'a String, &Option<Spread>)| {
        Some(Value { server, spread: (*spread)? })
    };
    let against = |(against, ratio): (&'a String, &Option<Ratio>)| {
        Some(Against { against, ratio: (*ratio)? })
    };
    Line {
        operation: row.cell.operation.name(),
        size: row.cell.size,
        clients: row.cell.clients,
        quantity: row.quantity.name,
        unit: row.quantity.unit,
        better: match row.quantity.better {
            Better::Less => "less",
            Better::More => "more",
        },
        servers: servers.iter().zip(&row.spreads).filter_map(value).collect(),
        ratios: servers.iter().zip(&row.ratios).filter_map(against).collect(),
    }
}
