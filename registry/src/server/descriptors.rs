//! File descriptors: the process takes as many as it may have, and accepts no more connections than
//! they allow.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a connection may need at once: its socket, a blob or an upload, a folder that is synced.
const PER_CONNECTION: u64 = 3;

/// What the process needs besides.
const RESERVE: u64 = 64;

/// macOS refuses more than this, whatever its hard limit says.
const SURELY_ALLOWED: u64 = 10_240;

/// The most connections that can be counted, where descriptors do not run out.
const COUNTABLE: usize = 1 << 28;

/// Raises the soft limit to the hard one; gives `wanted`, or less where descriptors would run out.
pub(super) fn connections_max(wanted: usize) -> usize {
    let limit = raise();
    let possible = possible(limit);
    if wanted <= possible {
        return wanted;
    }
    if let Some(limit) = limit {
        tracing::warn!(
            "accepting {possible} connections at once instead of {wanted}: the process may have \
             no more than {limit} open files; raise that limit (ulimit -n) for more"
        );
    }
    possible
}

/// The soft limit after it was raised; `None` without one.
fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    let lower = Some(maximum.unwrap_or(SURELY_ALLOWED).min(SURELY_ALLOWED));
    let raised = [maximum, lower].into_iter().find(|&wanted| {
        let rises = match (current, wanted) {
            (Some(current), Some(wanted)) => wanted > current,
            (Some(_), None) => true,
            (None, _) => false,
        };
        rises && setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum }).is_ok()
    });
    raised.unwrap_or(current)
}

fn possible(limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return COUNTABLE };
    let possible = limit.saturating_sub(RESERVE) / PER_CONNECTION;
    usize::try_from(possible).unwrap_or(COUNTABLE).clamp(1, COUNTABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_their_files() {
        let table = [
            (None, COUNTABLE),
            (Some(u64::MAX), COUNTABLE),
            (Some(0), 1),
            (Some(1024), 320),
            (Some(1_048_576), 349_504),
        ];
        for (limit, expected) in table {
            assert_eq!(possible(limit), expected, "{limit:?}");
        }
    }

    #[test]
    fn the_soft_limit_reaches_the_hard_one() {
        let hard = getrlimit(Resource::Nofile).maximum;
        let raised = raise();
        assert_eq!(raised, getrlimit(Resource::Nofile).current);
        assert!(raised == hard || raised.is_some_and(|limit| limit >= SURELY_ALLOWED));
    }
}
