//! `wharf doctor`: every check, what it found, and what mends it. Looks only, unless it is asked for more.

mod sheet;

use crate::cli::setup_args::SetupArgs;
use crate::failure::Failure;
use crate::report::Report;
use crate::setup::examination::{examine, mend};
use crate::setup::{SetupError, Step, diagnosis, steps};

use sheet::{Look, Sheet};

const EXAMPLES: &str = "\
Examples:
  wharf doctor                              looks at everything, changes nothing
  wharf doctor --fix                        mends what it can, and looks again
  wharf doctor --json | jq '.[] | select(.level == \"fault\")'";

/// What to look at.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// Mend what can be mended, and look again
    #[arg(long)]
    fix: bool,

    #[command(flatten)]
    setup: SetupArgs,
}

/// Looks, mends if it was asked to, and tells.
pub fn run(args: DoctorArgs, report: &Report) -> Result<(), Failure> {
    let site = args.setup.site(args.setup.config(), false, report)?;
    let checks = checks();
    let mut examined = examine(&site, &checks);
    if args.fix {
        examined = mend(&site, &checks, examined);
    }
    let sheet = Sheet { examined, look: Look::of_stdout() };
    report.data(&sheet)?;
    match sheet.faults().count() {
        0 => Ok(()),
        count => Err(SetupError::Faults { count }.into()),
    }
}

/// Every check: what the engine can do, then the steps of the setup, then what they do not know.
fn checks() -> Vec<Box<dyn Step>> {
    let mut all = diagnosis::before();
    all.extend(steps());
    all.extend(diagnosis::all());
    all
}
