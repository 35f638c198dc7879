//! The walk of `wharf up` through the steps: what each finds is told and mended, and looked at again; and
//! the way back of `wharf down`.

use super::proof;
use super::receipt::Made;
use super::{Finding, Level, SetupError, Site, Step};
use crate::failure::told as told_of;

/// What came of a walk.
#[derive(Debug, Default)]
pub struct Walk {
    /// What was mended, in order: the step's name and what had been found.
    pub changes: Vec<Change>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Something that was mended.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Change {
    /// The step.
    pub step: &'static str,
    /// What had been found.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Walks through the steps.
///
/// # Errors
/// A fault that nobody but the user can mend, or one that stays, but for that of a single node: such a one
/// is given up, and the rest is done. What was done until then stands: the next walk goes on from there.
pub fn walk(site: &Site, steps: &[Box<dyn Step>]) -> Result<Walk, SetupError> {
    let mut walk = Walk::default();
    for step in steps {
        let mut found = step.check(site)?;
        let lone = found.extract_if(.., |it| it.is_fault() && site.is_given_up(&it.about));
        lone.for_each(|it| site.hand().say(format_args!("{}: {}", it.about, it.words)));
        let of_level = |level| found.iter().filter(move |it: &&Finding| it.level == level);
        walk.notes.extend(of_level(Level::Note).map(told));
        if let Some(fault) = of_level(Level::Fault).find(|fault| !fault.mendable) {
            return Err(broken(fault));
        }
        if of_level(Level::Fault).next().is_none() {
            continue;
        }
        for fault in of_level(Level::Fault) {
            let fix = fault.fix.as_deref().unwrap_or("mend it");
            site.hand().say(format_args!("{}: {}: {fix}", fault.about, fault.words));
            walk.changes.push(Change { step: step.name(), finding: fault.clone() });
        }
        site.note(Made::Unproven)?;
        match step.apply(site) {
            Err(error @ SetupError::OfNode { .. }) => site.hand().say(told_of(&error)),
            applied => applied?,
        }
        if let (false, Some(fault)) = (site.hand().is_dry(), first_fault(&**step, site)?) {
            return Err(broken(&fault));
        }
    }
    Ok(walk)
}

/// Takes down what the steps made, last step first. What cannot be taken down keeps nothing else standing;
/// why it cannot is given.
pub fn take_down(site: &Site, steps: &[Box<dyn Step>]) -> Vec<SetupError> {
    let mut failures: Vec<_> = proof::undo(site).err().into_iter().collect();
    failures.extend(steps.iter().rev().filter_map(|step| step.undo(site).err()));
    failures.extend(site.strike(&Made::Unproven).err());
    // A program that is missing is missed by one step after the other.
    failures.dedup_by_key(|failure| told_of(failure));
    failures
}

fn first_fault(step: &dyn Step, site: &Site) -> Result<Option<Finding>, SetupError> {
    site.hand().forget();
    let mut found = step.check(site)?.into_iter();
    Ok(found.find(|it| it.is_fault() && !site.is_given_up(&it.about)))
}

fn told(finding: &Finding) -> String {
    match &finding.fix {
        Some(fix) => format!("{}: {}: {fix}", finding.about, finding.words),
        None => format!("{}: {}", finding.about, finding.words),
    }
}

fn broken(fault: &Finding) -> SetupError {
    SetupError::Broken {
        what: format!("{}: {}", fault.about, fault.words),
        hint: fault.fix.clone().unwrap_or_else(|| "`wharf doctor` looks further".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::setup::site::tests::site;

    /// A step that is mended after so many attempts, if at all.
    #[derive(Debug)]
    struct Stubborn {
        attempts: AtomicUsize,
        mendable: bool,
    }

    impl Stubborn {
        fn boxed(attempts: usize, mendable: bool) -> Vec<Box<dyn Step>> {
            vec![Box::new(Self { attempts: AtomicUsize::new(attempts), mendable })]
        }
    }

    impl Step for Stubborn {
        fn name(&self) -> &'static str {
            "stubborn"
        }

        fn check(&self, _site: &Site) -> Result<Vec<Finding>, SetupError> {
            let fault = Finding::fault("thing", "is broken");
            Ok(match (self.attempts.load(Ordering::SeqCst), self.mendable) {
                (0, _) => vec![Finding::ok("thing", "is whole"), Finding::note("thing", "is old")],
                (_, true) => vec![fault.mended_by("mend it")],
                (_, false) => vec![fault.left_to_you("buy a new one")],
            })
        }

        fn apply(&self, _site: &Site) -> Result<(), SetupError> {
            self.attempts.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    }

    #[test]
    fn what_is_whole_is_left_alone() {
        let (site, _) = site([]);
        let walked = walk(&site, &Stubborn::boxed(0, true)).unwrap();
        assert!(walked.changes.is_empty());
        assert_eq!(walked.notes, ["thing: is old"]);
    }

    #[test]
    fn what_is_broken_is_mended_and_looked_at_again() {
        let (site, _) = site([]);
        let walked = walk(&site, &Stubborn::boxed(1, true)).unwrap();
        assert_eq!(walked.changes.len(), 1);
        assert_eq!(walked.changes[0].step, "stubborn");
        let error = walk(&site, &Stubborn::boxed(2, true)).unwrap_err();
        assert_eq!(error.to_string(), "thing: is broken");
    }

    #[test]
    fn what_only_a_person_can_mend_is_told_with_what_to_do() {
        let (site, _) = site([]);
        let error = walk(&site, &Stubborn::boxed(1, false)).unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("buy a new one"));
    }
}
