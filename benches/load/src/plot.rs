//! Measurements as a picture: small multiples of horizontal bars, one panel per question, one colour per
//! server, a whisker from the least to the most.
//!
//! The picture is one SVG without scripts and without fonts of its own, for light and dark pages alike. It
//! refuses to choose: what is compared with what stands in the [`Chart`], every value is written at its
//! bar, and every bar begins at zero.

mod layout;
mod paper;
mod text;

use layout::Sheet;

use crate::report::Spread;

pub use text::figure;

/// A whole picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What it is about, in a few words.
    pub title: String,
    /// Lines below the title: the machine, the date, versions.
    pub subtitle: Vec<String>,
    /// The servers, in the order of their bars; the first has the strongest colour.
    pub servers: Vec<String>,
    /// One per question, in reading order.
    pub panels: Vec<Panel>,
    /// A line at the foot: what bars and whiskers stand for.
    pub note: String,
}

/// One question, with an axis of its own that begins at zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// The question: `Throughput of pulls`.
    pub title: String,
    /// The unit of the values: `GB/s`.
    pub unit: String,
    /// Which end is the good one.
    pub better: Better,
    /// Bars that belong together.
    pub groups: Vec<Group>,
}

/// Which of two values is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The smaller.
    Less,
    /// The greater.
    More,
}

/// The bars of one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The setting: `8 clients`; may be empty where there is one group.
    pub label: String,
    /// A value per server, in the order of [`Chart::servers`]; `None` where it was not measured. A value
    /// that is negative or no number is as one that was not measured.
    pub values: Vec<Option<Spread>>,
}

impl Chart {
    /// The picture as SVG.
    #[must_use]
    pub fn to_svg(&self) -> String {
        Sheet::of(self).draw()
    }
}

impl Group {
    /// The value of a server, where there is one that can be drawn.
    fn value(&self, server: usize) -> Option<Spread> {
        let drawable = |spread: &Spread| {
            [spread.median, spread.least, spread.most]
                .iter()
                .all(|value| value.is_finite() && *value >= 0.0)
        };
        self.values.get(server).copied().flatten().filter(drawable)
    }
}

#[cfg(test)]
mod tests;
