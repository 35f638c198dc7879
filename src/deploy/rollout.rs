//! Waiting until what was applied runs. kubectl says how far each rollout is; meanwhile the pods are
//! looked at, so that one which will not start is told of at once, and not when time is up.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use wharf_pusher::source::saved::Export;

use super::error::DeployError;
use super::evidence;
use super::kubectl::Kubectl;
use super::pod::Trouble;
use super::reason::Reason;
use super::workload::Workload;
use crate::process::{Output, RunError};

/// How long kubectl waits before the pods are looked at.
const ROUND: &str = "--timeout=2s";
/// kubectl's words when that is over.
const OVER: [&str; 2] = ["timed out waiting", "context deadline exceeded"];
/// Its words for what it cannot wait for: a set that is updated by hand.
const BY_HAND: &str = "rollout status is only available";

/// How a rollout ended.
#[derive(Debug)]
pub enum End {
    /// Everything runs.
    Ready,
    /// This does not, for these reasons.
    Stuck {
        /// The first workload that does not.
        workload: String,
        /// Why, as far as it can be told.
        reasons: Vec<Reason>,
        /// Whether the time was over.
        timed_out: bool,
    },
}

/// How one round ended.
enum Round {
    Done,
    GoesOn,
    Failed(RunError),
}

/// A rollout that is waited for.
pub struct Rollout<'a> {
    /// What is asked.
    pub kubectl: &'a Kubectl,
    /// How long it may take.
    pub timeout: Duration,
    /// Who is told how far it is.
    pub say: &'a dyn Fn(&str),
}

impl Rollout<'_> {
    /// Waits for all workloads.
    ///
    /// # Errors
    /// kubectl does not answer.
    pub fn wait(&self, workloads: &[Workload]) -> Result<End, DeployError> {
        let begun = Instant::now();
        let mut before: Vec<Trouble> = Vec::new();
        let mut said = String::new();
        for (at, workload) in workloads.iter().enumerate() {
            loop {
                match self.round(workload, &mut said)? {
                    Round::Done => break,
                    Round::GoesOn => {}
                    Round::Failed(error) => {
                        let reasons = evidence::reasons(self.kubectl, workload);
                        return match reasons.is_empty() {
                            true => Err(error.into()),
                            false => Ok(stuck(workload, reasons, false)),
                        };
                    }
                }
                let ahead = &workloads[at..];
                let timed_out = begun.elapsed() >= self.timeout;
                if let Some(end) = self.look(ahead, &mut before, timed_out)? {
                    return Ok(end);
                }
            }
        }
        Ok(End::Ready)
    }

    /// Looks at the pods of what is still waited for.
    fn look(
        &self,
        workloads: &[Workload],
        before: &mut Vec<Trouble>,
        timed_out: bool,
    ) -> Result<Option<End>, DeployError> {
        let mut now = Vec::new();
        let mut failing = None;
        for workload in workloads {
            let troubles = evidence::troubles(self.kubectl, workload)?;
            let was_there = |it: &Trouble| before.iter().any(|other| other.is_same(it));
            if troubles.iter().any(|it| it.is_lasting() && was_there(it)) {
                failing.get_or_insert(workload);
            }
            for trouble in troubles.iter().filter(|it| it.is_lasting() && !was_there(it)) {
                (self.say)(&format!("{}: {}", trouble.pod, trouble.reason));
            }
            now.extend(troubles);
        }
        *before = now;
        let failing = match (failing, timed_out) {
            (None, false) => return Ok(None),
            (None, true) => &workloads[0],
            (Some(failing), _) => failing,
        };
        let mut reasons = evidence::reasons(self.kubectl, failing);
        for other in workloads.iter().filter(|it| *it != failing) {
            reasons.extend(evidence::of_pods(self.kubectl, other));
        }
        Ok(Some(stuck(failing, reasons, timed_out)))
    }

    /// Asks kubectl how far one is, and tells what is new of that.
    fn round(&self, workload: &Workload, said: &mut String) -> Result<Round, DeployError> {
        let argument = workload.argument();
        let words = workload.words(&["rollout", "status", &argument, ROUND]);
        let mut out = self.kubectl.runner().stream(&self.kubectl.program(words))?;
        let lines = BufReader::new(&mut out).lines().map_while(Result::ok);
        for line in lines.filter(|line| !line.trim().is_empty()) {
            if *said != line {
                (self.say)(&line);
                *said = line;
            }
        }
        Ok(match ended(&mut out) {
            Ok(()) => Round::Done,
            Err(RunError::Failed { words, .. }) if OVER.iter().any(|it| words.contains(it)) => {
                Round::GoesOn
            }
            Err(RunError::Failed { words, .. }) if words.contains(BY_HAND) => {
                (self.say)(&format!("{argument} is not waited for: it is updated by hand"));
                Round::Done
            }
            Err(error) => Round::Failed(error),
        })
    }
}

fn stuck(workload: &Workload, reasons: Vec<Reason>, timed_out: bool) -> End {
    End::Stuck { workload: workload.argument(), reasons, timed_out }
}

/// How a program ended, as its own error.
fn ended(out: &mut Output) -> Result<(), RunError> {
    out.finish().map_err(|error| match error.downcast::<RunError>() {
        Ok(error) => error,
        Err(source) => RunError::Run { program: "kubectl".into(), source },
    })
}
