//! Whether the registry can still take images: room on its disk, files that can be made, and whether it
//! takes writes at all. Asked of its own program, as its image has no other.

use serde::Deserialize;

use crate::failure::told;
use crate::setup::engine::Container;
use crate::setup::{Finding, SetupError, Site, Step};

/// The room as a check.
#[derive(Debug)]
pub struct Room;

/// With less than this, in bytes, the next image may not fit.
const LOW_BYTES: u64 = 2 << 30;
/// With less than this, a push fails for certain.
const NO_BYTES: u64 = 128 << 20;
/// Below this, in bytes, it is said in MiB.
const FINE_BYTES: u64 = 1 << 30;
/// With fewer files than this, a push fails soon.
const NO_FILES: u64 = 1000;

/// What `wharf usage` says of a store.
#[derive(Debug, Clone, Default, Deserialize)]
struct Usage {
    blob_bytes: u64,
    free_bytes: u64,
    free_files: Option<u64>,
    read_only: bool,
}

impl Step for Room {
    fn name(&self) -> &'static str {
        "disk-space"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        let registry = &site.config.registry;
        let container = site.engine.container(registry)?.filter(|it| it.is_running);
        let Some(container) = container else { return Ok(Vec::new()) };
        let mut found: Vec<_> = refusal(&container).into_iter().collect();
        let asked = site.engine.program(["exec", registry, "/wharf", "--json", "usage"]);
        match site.hand().ask_anew(&asked) {
            Ok(answer) => match serde_json::from_slice(&answer) {
                Ok(usage) => found.push(judge(site, &usage)),
                Err(error) => found.push(unknown(registry, &told(&error))),
            },
            Err(error) => found.push(unknown(registry, &told(&error))),
        }
        Ok(found)
    }

    fn apply(&self, _: &Site) -> Result<(), SetupError> {
        Ok(()) // what can be done without is for the user to say
    }
}

/// A setting by which it takes no pushes.
fn refusal(container: &Container) -> Option<Finding> {
    const SETTINGS: [&str; 2] =
        ["WHARF_SERVE_READ_ONLY", "REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED"];
    let is_on = |name: &&&str| {
        let value = container.variable(name).unwrap_or_default().to_lowercase();
        ["true", "yes", "on", "1"].contains(&value.as_str())
    };
    let setting = SETTINGS.iter().find(is_on)?;
    let words = format!("takes no pushes: {setting} is set");
    let fix = "make it anew without that variable, to push again";
    Some(Finding { fix: Some(fix.into()), ..Finding::note(&container.name, words) })
}

fn unknown(registry: &str, why: &str) -> Finding {
    Finding::note(registry, format!("cannot say how much room it has: {why}"))
}

fn judge(site: &Site, usage: &Usage) -> Finding {
    let registry = &site.config.registry;
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    let fix = "remove images (`wharf rm`, `podman system prune`), or give the machine a larger disk \
               (`podman machine set --disk-size`, where there is one)";
    if usage.read_only {
        let fix = "mount it for writing: the engine's machine may have met errors of its disk";
        return Finding::fault(registry, "its disk takes no writes").left_to_you(fix);
    }
    if let Some(files) = usage.free_files.filter(|files| *files < NO_FILES) {
        let words = format!("its disk has room for {files} more files only");
        return Finding::fault(registry, words).left_to_you(fix);
    }
    let words = format!("{} free", gib(usage.free_bytes));
    if usage.free_bytes < NO_BYTES {
        return Finding::fault(registry, format!("its disk is full: {words}")).left_to_you(fix);
    }
    if usage.free_bytes < LOW_BYTES {
        let words = format!("its disk is nearly full: {words}");
        return Finding { fix: Some(fix.into()), ..Finding::note(registry, words) };
    }
    let held = match usage.blob_bytes {
        0 => "it holds no image".to_owned(),
        bytes @ 1..FINE_BYTES => {
            format!("its images take {:.1} MiB", bytes as f64 / f64::from(1 << 20))
        }
        bytes => format!("its images take {}", gib(bytes)),
    };
    Finding::ok(registry, format!("{words}; {held}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::Level;
    use crate::setup::site::tests::site;

    #[test]
    fn room_is_judged() {
        let (site, _) = site([]);
        let much = Usage { free_bytes: 50 << 30, free_files: Some(1 << 20), ..Usage::default() };
        let level = |usage: Usage| judge(&site, &usage).level;
        assert_eq!(level(much.clone()), Level::Ok);
        assert_eq!(level(Usage { free_files: None, ..much.clone() }), Level::Ok);
        assert_eq!(level(Usage { free_bytes: 1 << 30, ..much.clone() }), Level::Note);
        assert_eq!(level(Usage { free_bytes: 1 << 20, ..much.clone() }), Level::Fault);
        assert_eq!(level(Usage { free_files: Some(12), ..much.clone() }), Level::Fault);
        assert_eq!(level(Usage { read_only: true, ..much }), Level::Fault);
    }

    #[test]
    fn what_images_take_is_said_by_its_size() {
        let (site, _) = site([]);
        let free = Usage { free_bytes: 50 << 30, ..Usage::default() };
        for (bytes, words) in [
            (0, "it holds no image"),
            (3 << 19, "its images take 1.5 MiB"),
            (3 << 29, "take 1.5 GiB"),
        ] {
            let said = judge(&site, &Usage { blob_bytes: bytes, ..free.clone() }).words;
            assert!(said.starts_with("50.0 GiB free; ") && said.ends_with(words), "{said}");
        }
    }

    #[test]
    fn what_the_registrys_own_program_says_is_read() {
        let usage = r#"{"root":"/var/lib/registry","blobs":3,"blob_bytes":1073741824,
            "free_bytes":10737418240,"total_bytes":21474836480,"free_files":null,"read_only":false}"#;
        let container = r#"[{"Id":"1","Name":"kind-registry","State":{"Running":true},
            "Config":{"Env":["WHARF_SERVE_READ_ONLY=true"]}}]"#;
        let (site, _) = site([
            ("podman container inspect kind-registry", Ok(container.into())),
            ("podman exec kind-registry /wharf --json usage", Ok(usage.into())),
        ]);
        let found = Room.check(&site).unwrap();
        assert_eq!(found[0].words, "takes no pushes: WHARF_SERVE_READ_ONLY is set");
        assert_eq!(found[1].words, "10.0 GiB free; its images take 1.0 GiB");
    }
}
