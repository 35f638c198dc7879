//! Which failures are worth another try, after how long, and how often.
//!
//! Nothing here tries again by itself: whoever knows what a request was for asks, and waits.

use std::time::{Duration, SystemTime};

use http::StatusCode;

use crate::error::Error;

/// Silence is long enough by itself: how often it is waited for in all.
const SILENT_TRIES_MAX: u32 = 2;

/// How often, and after how long. Waits double from `first` to `longest`; each is drawn from its upper
/// half, so that clients who failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often in all; 1 is no second try.
    pub tries_max: u32,
    /// The first wait.
    pub first: Duration,
    /// The longest wait; also when the registry asks for more.
    pub longest: Duration,
}

impl Default for Retry {
    /// Five tries, from 250 ms to 30 s.
    fn default() -> Self {
        Self { tries_max: 5, first: Duration::from_millis(250), longest: Duration::from_secs(30) }
    }
}

impl Retry {
    /// How long to wait after try number `tries`, from 1, failed with `error`. None: it is not worth
    /// another try, or there were enough.
    #[must_use]
    pub fn wait(&self, tries: u32, error: &Error) -> Option<Duration> {
        let is_silent = matches!(error, Error::Silent { .. });
        let tries_max = if is_silent { SILENT_TRIES_MAX } else { self.tries_max };
        if tries >= tries_max.min(self.tries_max) || !error.is_passing() {
            return None;
        }
        let asked = error.retry_after().unwrap_or_default();
        Some(asked.max(jittered(self.pause(tries))).min(self.longest))
    }

    fn pause(&self, tries: u32) -> Duration {
        let doubled = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

/// Between half of it and all of it.
fn jittered(pause: Duration) -> Duration {
    let half = pause / 2;
    // Without randomness the waits are only less well spread.
    let random = getrandom::u32().unwrap_or(u32::MAX);
    half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

impl Error {
    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Interrupted { .. }
            | Self::Silent { .. }
            | Self::TokenEnded { .. } => true,
            Self::Refused { status, .. } => {
                // A volume that is full stays so for longer than anybody waits.
                let lasts = [StatusCode::NOT_IMPLEMENTED, StatusCode::INSUFFICIENT_STORAGE];
                status.is_server_error() && !lasts.contains(status)
                    || matches!(
                        *status,
                        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
                    )
            }
            _ => false,
        }
    }

    /// How long the registry asked to wait.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What a `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3).
pub(crate) fn after(header: &str) -> Option<Duration> {
    if let Ok(seconds) = header.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(header).ok()?;
    // A date that has passed asks for nothing.
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, retry_after: Option<Duration>) -> Error {
        Error::Refused {
            address: "localhost:5000".parse().unwrap(),
            request: "PUT /".to_owned(),
            status: StatusCode::from_u16(status).unwrap(),
            code: None,
            message: None,
            retry_after,
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let retry = Retry::default();
        for (status, again) in [
            (408, true),
            (429, true),
            (500, true),
            (503, true),
            (501, false),
            (507, false),
            (400, false),
            (401, false),
            (404, false),
            (413, false),
        ] {
            assert_eq!(retry.wait(1, &refusal(status, None)).is_some(), again, "{status}");
        }
    }

    #[test]
    fn waits_double_and_end() {
        let retry =
            Retry { tries_max: 5, first: Duration::from_secs(1), longest: Duration::from_secs(5) };
        for (tries, longest) in [(1, 1), (2, 2), (3, 4), (4, 5)] {
            let longest = Duration::from_secs(longest);
            for _ in 0..100 {
                let wait = retry.wait(tries, &refusal(503, None)).unwrap();
                assert!(longest / 2 <= wait && wait <= longest, "{tries}: {wait:?}");
            }
        }
        assert_eq!(retry.wait(5, &refusal(503, None)), None);
    }

    #[test]
    fn the_registry_may_ask_for_more_up_to_the_longest() {
        let retry = Retry::default();
        let asking = |seconds| retry.wait(1, &refusal(429, Some(Duration::from_secs(seconds))));
        assert_eq!(asking(7), Some(Duration::from_secs(7)));
        assert_eq!(asking(7000), Some(retry.longest));
    }

    #[test]
    fn the_header_is_seconds_or_a_date() {
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(600));
        assert!(after(&soon).is_some_and(|wait| wait > Duration::from_secs(500)));
        assert_eq!(after("-1"), None);
        assert_eq!(after("soon"), None);
    }
}
