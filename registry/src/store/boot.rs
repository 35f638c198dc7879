//! Whether the machine has started anew since the volume was last used.
//!
//! Bytes of an upload session are not synced while they arrive. A killed process loses none of them,
//! but a machine that lost its power may show a file of the right length with other bytes in it.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Compares this boot with the one noted at `path`, and notes this one.
///
/// Gives the moment before which files may be torn: that of the first start since the machine came
/// up. `None` where the system cannot say so; the digest at the end of an upload decides then.
pub(super) fn power_lost_before(path: &Path) -> Option<SystemTime> {
    let now = fs::read(BOOT_ID).ok()?;
    if fs::read(path).is_ok_and(|noted| noted == now) {
        return fs::metadata(path).and_then(|noted| noted.modified()).ok();
    }
    // Not noted means not known at the next start, which is the safe side.
    let _ = fs::write(path, now);
    Some(SystemTime::now())
}
