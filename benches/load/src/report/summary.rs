//! Medians, spreads and ratios of a few rounds.

use std::fmt;

use serde::Serialize;

use crate::plot::figure;

/// The median of some values, and the least and the most of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one, or halfway between the two in the middle.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

/// A spread of ratios.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// The middle one, or halfway between the two in the middle.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

/// The spread of these values; `None` when there are none.
#[must_use]
pub fn spread(values: &[f64]) -> Option<Spread> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (least, most) = (*sorted.first()?, *sorted.last()?);
    let middle = sorted.len() / 2;
    let median = match sorted.len() % 2 {
        0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    };
    Some(Spread { median, least, most })
}

/// The ratios of ours to the peer's, round by round; `None` when they have no round in common or the
/// peer's value is nothing to divide by.
#[must_use]
pub fn ratio(ours: &[f64], peers: &[f64]) -> Option<Ratio> {
    let ratios: Vec<f64> = ours
        .iter()
        .zip(peers)
        .filter(|(_, peer)| **peer > 0.0)
        .map(|(ours, peer)| ours / peer)
        .collect();
    let Spread { median, least, most } = spread(&ratios)?;
    Some(Ratio { median, least, most })
}

impl Spread {
    /// `median (least–most)`.
    #[must_use]
    pub fn show(&self, decimals: usize) -> String {
        let Self { median, least, most } = self;
        if least == most {
            format!("{median:.decimals$}")
        } else {
            format!("{median:.decimals$} ({least:.decimals$}–{most:.decimals$})")
        }
    }

    /// The same with three digits that count, as they are few enough to read.
    #[must_use]
    pub fn told(&self) -> String {
        let Self { median, least, most } = *self;
        match least == most {
            true => figure(median),
            false => format!("{} ({}–{})", figure(median), figure(least), figure(most)),
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, least, most } = *self;
        formatter.write_str(&Spread { median, least, most }.show(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middles() {
        assert_eq!(spread(&[3.0, 1.0, 2.0]).unwrap().median, 2.0);
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]).unwrap().show(1), "2.5 (1.0–4.0)");
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn a_ratio_needs_a_round_in_common() {
        assert_eq!(ratio(&[1.0, 9.0], &[2.0, 3.0]).unwrap().to_string(), "1.75 (0.50–3.00)");
        assert_eq!(ratio(&[1.0], &[]), None);
        assert_eq!(ratio(&[1.0], &[0.0]), None);
    }
}
