//! All checks of the setup, one after the other: what each found, what was mended of it, and what is
//! left. A check that cannot look is a fault of its own, and stops none of the others.

use serde::{Serialize, Serializer};

use super::{Finding, Level, SetupError, Site, Step};
use crate::failure::told;

/// How often what was mended is looked at again: a repair may bring up the next fault.
const ROUNDS_MAX: usize = 3;

/// The check without which most others cannot look. See [`super::preflight`].
pub const ENGINE: &str = "engine";

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The check.
    pub check: &'static str,
    /// What it found.
    pub findings: Vec<Finding>,
    /// What it had found before, and that is mended.
    pub mended: Vec<Finding>,
    /// Whether it could look at all.
    pub has_looked: bool,
}

impl Examined {
    /// How bad the worst finding is.
    pub fn level(&self) -> Level {
        self.findings.iter().map(|it| it.level).max().unwrap_or(Level::Ok)
    }

    /// The faults.
    pub fn faults(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|it| it.is_fault())
    }
}

impl Serialize for Examined {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            check: &'a str,
            level: Level,
            findings: &'a [Finding],
            mended: &'a [Finding],
        }
        let Self { check, findings, mended, .. } = self;
        Written { check, level: self.level(), findings, mended }.serialize(serializer)
    }
}

/// Has every check look.
pub fn examine(site: &Site, checks: &[Box<dyn Step>]) -> Vec<Examined> {
    site.begin_anew();
    let mut all = Vec::with_capacity(checks.len());
    let mut is_engine_away = false;
    for check in checks {
        let examined = match check.check(site) {
            Ok(findings) => seen(&**check, findings),
            Err(_) if is_engine_away => unseen(&**check),
            Err(error) => blind(&**check, &error),
        };
        is_engine_away |= examined.check == ENGINE && examined.level() == Level::Fault;
        all.push(examined);
    }
    all
}

/// What there is to tell where no check can look, as there is no engine.
pub fn without_engine() -> Vec<Examined> {
    let findings = vec![fault_of("podman", &SetupError::NoEngine)];
    vec![Examined { check: ENGINE, findings, mended: Vec::new(), has_looked: false }]
}

/// Mends what can be mended, and has every check look again, until nothing is left that changes.
pub fn mend(site: &Site, checks: &[Box<dyn Step>], examined: Vec<Examined>) -> Vec<Examined> {
    let mut now = examined;
    for _ in 0..ROUNDS_MAX {
        let is_mendable =
            |it: &&Examined| it.faults().any(|fault| fault.mendable) || !it.has_looked;
        if !now.iter().any(|it| it.faults().any(|fault| fault.mendable)) {
            break;
        }
        let names: Vec<_> = now.iter().filter(is_mendable).map(|it| it.check).collect();
        let mut refusals = Vec::new();
        for check in checks.iter().filter(|check| names.contains(&check.name())) {
            if let Err(error) = check.apply(site) {
                refusals.push((check.name(), error));
            }
        }
        site.hand().forget();
        let mut after = examine(site, checks);
        for (before, after) in now.iter().zip(&mut after) {
            after.mended.clone_from(&before.mended);
            let gone = |fault: &&Finding| !after.findings.contains(fault);
            let gone: Vec<_> = before.faults().filter(gone).cloned().collect();
            after.mended.extend(gone);
        }
        for (check, error) in &refusals {
            tell_refusal(&mut after, check, error);
        }
        let is_same = faults(&now) == faults(&after);
        now = after;
        if is_same {
            break;
        }
    }
    now
}

fn faults(all: &[Examined]) -> Vec<&Finding> {
    all.iter().flat_map(Examined::faults).collect()
}

fn seen(check: &dyn Step, findings: Vec<Finding>) -> Examined {
    Examined { check: check.name(), findings, mended: Vec::new(), has_looked: true }
}

/// A check that cannot look, for a reason of its own.
fn blind(check: &dyn Step, error: &SetupError) -> Examined {
    Examined { has_looked: false, ..seen(check, vec![fault_of("this check", error)]) }
}

/// An error as a fault.
fn fault_of(about: &str, error: &SetupError) -> Finding {
    let finding = Finding::fault(about, told(error));
    match error.hint() {
        Some(hint) => finding.left_to_you(hint),
        None => finding,
    }
}

/// A check that cannot look, for the reason that was told already.
fn unseen(check: &dyn Step) -> Examined {
    let finding = Finding::note("this check", "not looked at, as the engine does not answer");
    Examined { has_looked: false, ..seen(check, vec![finding]) }
}

/// Says why something was not mended, beside what is still broken.
fn tell_refusal(all: &mut [Examined], check: &str, error: &SetupError) {
    let Some(examined) = all.iter_mut().find(|it| it.check == check) else { return };
    for fault in examined.findings.iter_mut().filter(|it| it.is_fault() && it.mendable) {
        fault.words = format!("{}; it cannot be mended: {}", fault.words, told(error));
        fault.mendable = false;
        if let Some(hint) = error.hint() {
            fault.fix = Some(hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::setup::site::tests::site;

    /// Is broken until it was mended so often; refuses to be mended, or cannot look, where it is told to.
    #[derive(Debug, Default)]
    struct Thing {
        name: &'static str,
        broken: AtomicUsize,
        refuses: bool,
        is_blind: bool,
    }

    impl Thing {
        fn new(name: &'static str, broken: usize) -> Self {
            Self { name, broken: broken.into(), ..Self::default() }
        }
    }

    impl Step for Thing {
        fn name(&self) -> &'static str {
            self.name
        }

        fn check(&self, _: &Site) -> Result<Vec<Finding>, SetupError> {
            let what = || "it cannot be asked".to_owned();
            match self.broken.load(Ordering::SeqCst) {
                _ if self.is_blind => {
                    Err(SetupError::Broken { what: what(), hint: "ask later".into() })
                }
                0 => Ok(vec![Finding::ok("it", "is whole")]),
                times => {
                    let words = format!("is broken {times} times");
                    Ok(vec![Finding::fault("it", words).mended_by("mend it")])
                }
            }
        }

        fn apply(&self, _: &Site) -> Result<(), SetupError> {
            if self.refuses {
                let (what, hint) = ("it is glued".into(), "heat it".into());
                return Err(SetupError::InTheWay { what, hint });
            }
            self.broken.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    }

    fn checks<const N: usize>(things: [Thing; N]) -> Vec<Box<dyn Step>> {
        things.into_iter().map(|it| Box::new(it) as _).collect()
    }

    #[test]
    fn a_check_that_cannot_look_stops_no_other() {
        let (site, _) = site([]);
        let blind = Thing { is_blind: true, ..Thing::new("one", 0) };
        let all = examine(&site, &checks([blind, Thing::new("two", 1)]));
        assert_eq!(all[0].findings[0].words, "it cannot be asked");
        assert_eq!(all[0].findings[0].fix.as_deref(), Some("ask later"));
        assert_eq!(all[0].level(), Level::Fault);
        assert_eq!(all[1].findings[0].words, "is broken 1 times");
    }

    #[test]
    fn an_engine_that_is_away_is_one_fault() {
        let blind = |name| Thing { is_blind: true, ..Thing::new(name, 0) };
        let all = examine(&site([]).0, &checks([Thing::new(ENGINE, 1), blind("two")]));
        assert_eq!(all.iter().flat_map(Examined::faults).count(), 1);
        assert_eq!((all[1].level(), all[1].has_looked), (Level::Note, false));
    }

    #[test]
    fn mending_goes_on_while_it_helps() {
        let (site, _) = site([]);
        let checks = checks([Thing::new("whole", 0), Thing::new("twice", 2)]);
        let all = mend(&site, &checks, examine(&site, &checks));
        assert_eq!(all[0].mended, []);
        let mended: Vec<_> = all[1].mended.iter().map(|it| &*it.words).collect();
        assert_eq!(mended, ["is broken 2 times", "is broken 1 times"]);
        assert_eq!(all[1].level(), Level::Ok);
    }

    #[test]
    fn mending_ends_after_three_rounds_and_tells_what_is_left() {
        let (site, _) = site([]);
        let checks = checks([Thing::new("hydra", 9)]);
        let all = mend(&site, &checks, examine(&site, &checks));
        assert_eq!(all[0].findings[0].words, "is broken 6 times");
    }

    #[test]
    fn what_cannot_be_mended_says_why() {
        let (site, _) = site([]);
        let glued = Thing { refuses: true, ..Thing::new("glued", 1) };
        let checks = checks([glued, Thing::new("other", 1)]);
        let all = mend(&site, &checks, examine(&site, &checks));
        let left = &all[0].findings[0];
        assert_eq!(left.words, "is broken 1 times; it cannot be mended: it is glued");
        assert_eq!((left.fix.as_deref(), left.mendable), (Some("heat it"), false));
        assert_eq!(all[1].level(), Level::Ok);
    }

    #[test]
    fn other_programs_can_rely_on_the_names_of_the_fields() {
        let all = examine(&site([]).0, &checks([Thing::new("one", 1)]));
        assert_eq!(
            serde_json::to_value(&all).unwrap(),
            serde_json::json!([{
                "check": "one", "level": "fault", "mended": [],
                "findings": [{"level": "fault", "object": "it", "finding": "is broken 1 times",
                    "fix": "mend it", "mendable": true}],
            }])
        );
    }
}
