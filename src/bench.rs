//! `wharf bench`: what a registry costs, measured from outside, by the load generator `wharf-load`.
//!
//! Here is the order of the work: every registry is made ready, then each trial runs round by round over
//! all of them in turn (A B A B), so that what else the machine does falls on all alike; the first round
//! warms up and is not counted. What was written is removed at the end, however that comes. What the
//! figures mean together is the [`report`]'s matter.

pub mod cycle;
mod error;
mod guest;
pub mod interrupt;
mod limits;
pub mod pulls;
pub mod pushes;
pub mod report;
pub mod requests;
mod site;

use wharf_load::{Cell, Measurement};

use crate::cli::voice::Voice;

pub use error::BenchError;
pub use limits::Limits;
pub use site::Site;

/// One question, asked of each registry in each round.
pub trait Trial {
    /// What its measurements are about.
    fn cell(&self) -> Cell;

    /// Whether it writes into the repository that the benchmark has there.
    fn writes(&self) -> bool {
        true
    }

    /// Makes a registry ready; called once for each, before the first round.
    ///
    /// # Errors
    /// The registry does not take what has to be there.
    fn prepare(&mut self, site: &Site) -> Result<(), BenchError>;

    /// Measures a registry once.
    ///
    /// # Errors
    /// The registry does not do what is asked of it, or not in time.
    fn measure(&mut self, site: &Site) -> Result<Measurement, BenchError>;
}

/// What is measured, where, and how often.
pub struct Plan {
    /// The registries, in the order in which they take turns.
    pub sites: Vec<Site>,
    /// The questions, in their order.
    pub trials: Vec<Box<dyn Trial>>,
    /// Rounds that count.
    pub rounds: u32,
}

/// Measures, and removes what was written for it.
///
/// # Errors
/// A registry fails; what was written there is removed all the same.
pub fn run(plan: Plan, voice: &Voice) -> Result<Vec<Measurement>, BenchError> {
    let Plan { sites, mut trials, rounds } = plan;
    if trials.iter().any(|trial| trial.writes()) {
        for site in &sites {
            let (label, name) = (site.label(), site.guest().name());
            voice.say(format_args!("{label}: writing into the repository {name}"));
        }
    }
    let measured = rounds_of(&sites, &mut trials, rounds, voice);
    for site in &sites {
        site.leave(voice);
    }
    measured
}

fn rounds_of(
    sites: &[Site],
    trials: &mut [Box<dyn Trial>],
    rounds: u32,
    voice: &Voice,
) -> Result<Vec<Measurement>, BenchError> {
    let mut counted = Vec::new();
    for trial in trials {
        voice.say(format_args!("{}: warming up", trial.cell()));
        for site in sites {
            trial.prepare(site)?;
            trial.measure(site)?;
        }
        for round in 1..=rounds {
            for site in sites {
                let mut measured = trial.measure(site)?;
                measured.round = Some(round);
                voice.say(format_args!("{round} of {rounds}  {}", measured.line()));
                counted.push(measured);
            }
        }
    }
    Ok(counted)
}
