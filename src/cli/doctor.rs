//! `wharf doctor`: every check, what it found, and what mends it. Looks only, unless it is asked for more.

mod sheet;

use crate::cli::setup_args::SetupArgs;
use crate::failure::Failure;
use crate::report::Report;
use crate::setup::diagnosis::{self, pull::Pull, question::Question};
use crate::setup::examination::{Examined, examine, mend, without_engine};
use crate::setup::registry::Standing;
use crate::setup::{SetupError, Site, Step, steps_of};

use sheet::{Look, Sheet};

const EXAMPLES: &str = "\
Examples:
  wharf doctor                              looks at everything, changes nothing
  wharf doctor --fix                        mends what it can, and looks again
  wharf doctor kind-registry:5000/app:1     why does this image not pull?
  wharf doctor --pull                       pulls a tiny image on every node, as proof
  wharf doctor --json | jq '.[] | select(.level == \"fault\")'";

/// What to look at.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// An image as a pod names it: why it cannot be pulled, if it cannot
    #[arg(value_name = "IMAGE")]
    image: Option<String>,

    /// Mend what can be mended, look again, and pull an image on every node
    #[arg(long)]
    fix: bool,

    /// Pull a tiny image on every node, as proof
    #[arg(long)]
    pull: bool,

    #[command(flatten)]
    setup: SetupArgs,
}

/// Looks, mends if it was asked to, and tells.
pub fn run(args: DoctorArgs, report: &Report) -> Result<(), Failure> {
    let _turn = args.fix.then(|| args.setup.turn(report));
    let mut site = match args.setup.site(args.setup.config(), false, report) {
        // That is what the doctor is asked for, and has an answer to.
        Err(SetupError::NoEngine) => return tell(without_engine(), report),
        site => site?,
    };
    // What was left out on purpose is no fault.
    if let Ok(Some(standing)) = Standing::read(&site) {
        site.config.ingest = standing.ingest;
    }
    let checks = checks(&site, args.image);
    let mut examined = examine(&site, &checks);
    if args.fix {
        examined = mend(&site, &checks, examined);
    }
    if args.pull || examined.iter().any(|it| !it.mended.is_empty()) {
        examined.extend(examine(&site, &[Box::new(Pull)]));
    }
    tell(examined, report)
}

/// Tells what was found.
fn tell(examined: Vec<Examined>, report: &Report) -> Result<(), Failure> {
    let sheet = Sheet { examined, look: Look::of_stdout() };
    report.data(&sheet)?;
    match sheet.faults().count() {
        0 => Ok(()),
        count => Err(SetupError::Faults { count }.into()),
    }
}

/// Every check: the steps of the setup, then what they do not know; and the image that was asked about
/// last, where it is read first.
fn checks(site: &Site, image: Option<String>) -> Vec<Box<dyn Step>> {
    let mut all = steps_of(site);
    all.extend(diagnosis::all());
    all.extend(image.map(|image| Box::new(Question { image }) as _));
    all
}
