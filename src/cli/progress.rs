//! Progress of what takes long enough to wonder, drawn on stderr for a person at a terminal, and
//! for nobody else.

pub mod layers;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::Report;

/// What is smaller than this moves faster than a bar can be read, in bytes.
const BAR_BYTES_MIN: u64 = 32 << 20;

const STYLE: &str = "{msg:<16} {bar:30.cyan} {decimal_bytes:>9} of {decimal_total_bytes} \
                     {decimal_bytes_per_sec:>12}";

/// Draws bars, or none.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    drawn: bool,
}

impl Progress {
    /// Bars for a person: none where a program reads the results.
    pub fn new(report: &Report) -> Self {
        Self { drawn: !report.json() }
    }

    /// A bar for `size` bytes on their way; a hidden one if they are few, or if stderr is no
    /// terminal.
    pub fn bar(self, verb: &str, what: &str, size: u64) -> ProgressBar {
        if !self.drawn || size < BAR_BYTES_MIN {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(STYLE) {
            bar.set_style(style);
        }
        bar.with_message(format!("{verb} {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_is_one() {
        assert!(ProgressStyle::with_template(STYLE).is_ok());
    }

    #[test]
    fn little_is_moved_without_a_bar() {
        assert!(Progress { drawn: true }.bar("pushing", "config", 1000).is_hidden());
        assert!(Progress { drawn: false }.bar("pushing", "layer", BAR_BYTES_MIN).is_hidden());
    }
}
