//! Ctrl-C and SIGTERM while a benchmark runs: the first ends the measurement, so that what was written
//! is deleted; the second ends the program at once, and says what it leaves.

use std::thread;

use tokio::runtime::Builder;
use wharf_load::Stop;

use super::{BenchError, Site};
use crate::cli::serve::signals::Signals;
use crate::cli::voice::Voice;

/// The exit code of a program that a person ended.
const ENDED: i32 = 130;

/// From here on the signals end measurements by `stop`.
///
/// # Errors
/// The signals cannot be waited for.
pub fn listen(stop: Stop, sites: &[Site], voice: Voice) -> Result<(), BenchError> {
    let place = |site: &Site| format!("{} at {}", site.guest().name(), site.label());
    let places = sites.iter().map(place).collect::<Vec<_>>().join(", ");
    let runtime =
        Builder::new_current_thread().enable_all().build().map_err(BenchError::Signals)?;
    let mut signals = {
        let _entered = runtime.enter();
        Signals::new().map_err(BenchError::Signals)?
    };
    thread::spawn(move || {
        runtime.block_on(async {
            signals.next().await;
            stop.set();
            voice.say("ending, and deleting what was written; once more ends at once");
            signals.next().await;
            voice.warn(format_args!("what was written stays: {places}"));
        });
        std::process::exit(ENDED);
    });
    Ok(())
}
