//! What becomes of each setting of registry:2, in one table.
//!
//! The rule: a setting that protects is honoured, or the registry does not start; one that only
//! tunes registry:2's own machinery is left out and named.

/// What becomes of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is this setting of wharf's.
    Taken(&'static str),
    /// It is this switch of wharf's, the other way round.
    Reversed(&'static str),
    /// It is this number of wharf's; where several are set, the smallest holds.
    Smallest(&'static str),
    /// It is a header for every response.
    Header,
    /// It changes nothing, for this reason, and is named at the start.
    LeftOut(&'static str),
    /// It is no setting of the registry, or is read in another place: never mentioned.
    Elsewhere(&'static str),
    /// With this value it says what wharf does anyway; with another it is refused: why, and what to
    /// do.
    OnlyAs(&'static str, &'static str, &'static str),
    /// Ends the start: why, and what to do.
    Refused(&'static str, &'static str),
}

use Fate::{Elsewhere, Header, LeftOut, OnlyAs, Refused, Reversed, Smallest, Taken};

/// The beginning of the names of response headers.
pub const HEADERS: &str = "HTTP_HEADERS";

const NO_LOGIN: Fate = Refused(
    "wharf does not ask who is there yet",
    "unset it, and let only those reach the registry that may use it (--listen 127.0.0.1:5000)",
);
const NO_TLS: Fate = Refused(
    "wharf speaks plain HTTP, and no TLS yet",
    "unset it, and keep to loopback or put a proxy with TLS in front",
);
const NO_PROXY: Fate =
    Refused("wharf does not fetch from other registries yet", "unset it, and push what is needed");
const NO_DRIVER: (&str, &str) = (
    "wharf keeps its store in a folder, and knows no other storage driver",
    "unset it, and give the folder as REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY",
);
const NO_MIDDLEWARE: Fate = Refused("wharf has no middleware", "unset it");
const NO_POLICY: Fate = Refused("wharf cannot restrict what may be pushed in this way", "unset it");
const OWN_CACHE: Fate = LeftOut("wharf has a cache of its own");
const NO_EVENTS: Fate = LeftOut("wharf sends no events");
const NO_SCHEMA_1: Fate = LeftOut("wharf does not take manifests of schema 1");

/// Every setting by its variable without `REGISTRY_`. A `*` at the end stands for nothing or for
/// `_` and more; the longest name that fits decides.
pub const KNOWN: &[(&str, Fate)] = &[
    ("VERSION", Elsewhere("the format of registry:2's file")),
    ("CONFIGURATION_PATH", Elsewhere("names a file of registry:2, as `wharf serve FILE` does")),
    ("AUTH_FILE", Elsewhere("where Podman keeps its credentials")),
    // Addresses
    ("HTTP_ADDR", Taken("listen")),
    (
        "HTTP_NET",
        OnlyAs("tcp", "wharf listens on TCP alone", "unset it, and give the address to --listen"),
    ),
    ("HTTP_HOST", Taken("public-url")),
    ("HTTP_PREFIX", OnlyAs("/", "wharf serves the API at /v2/ alone", "unset it")),
    ("HTTP_SECRET", LeftOut("the addresses of uploads carry nothing to sign")),
    ("HTTP_RELATIVEURLS", LeftOut("Locations are relative unless public-url is set")),
    ("HTTP_DRAINTIMEOUT", Taken("drain-time-max")),
    ("HTTP_TLS*", NO_TLS),
    ("HTTP_HEADERS*", Header),
    ("HTTP_DEBUG_ADDR", Taken("admin-listen")),
    ("HTTP_DEBUG_PROMETHEUS_ENABLED", LeftOut("/metrics is always there")),
    ("HTTP_DEBUG_PROMETHEUS_PATH", LeftOut("metrics are at /metrics")),
    ("HTTP_HTTP2*", LeftOut("wharf speaks HTTP/1.1")),
    ("HTTP_H2C*", LeftOut("wharf speaks HTTP/1.1")),
    // Store
    ("STORAGE", OnlyAs("filesystem", NO_DRIVER.0, NO_DRIVER.1)),
    ("STORAGE*", Refused(NO_DRIVER.0, NO_DRIVER.1)),
    ("STORAGE_FILESYSTEM_ROOTDIRECTORY", Taken("root")),
    ("STORAGE_FILESYSTEM_MAXTHREADS", LeftOut("wharf bounds its own threads")),
    ("STORAGE_DELETE", Taken("deletes")),
    ("STORAGE_DELETE_ENABLED", Taken("deletes")),
    ("STORAGE_REDIRECT*", LeftOut("blobs are always sent by wharf itself")),
    ("STORAGE_CACHE*", OWN_CACHE),
    ("STORAGE_TAG_CONCURRENCYLIMIT", LeftOut("tags are looked up without a limit")),
    ("STORAGE_MAINTENANCE_READONLY", Taken("read-only")),
    ("STORAGE_MAINTENANCE_READONLY_ENABLED", Taken("read-only")),
    ("STORAGE_MAINTENANCE_UPLOADPURGING", Taken("upload-purge")),
    ("STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED", Taken("upload-purge")),
    ("STORAGE_MAINTENANCE_UPLOADPURGING_AGE", Taken("upload-idle-max")),
    ("STORAGE_MAINTENANCE_UPLOADPURGING_INTERVAL", Taken("upload-purge-interval")),
    ("STORAGE_MAINTENANCE_UPLOADPURGING_DRYRUN", Taken("upload-purge-dry-run")),
    // Log
    ("LOG_LEVEL", Taken("log-level")),
    ("LOGLEVEL", Taken("log-level")),
    ("LOG_FORMATTER", Taken("log-format")),
    ("LOG_ACCESSLOG_DISABLED", Reversed("access-log")),
    ("LOG_FIELDS*", LeftOut("lines of the log have fixed fields")),
    ("LOG_HOOKS*", LeftOut("the log goes to stderr alone")),
    ("LOG_REPORTCALLER", LeftOut("lines of the log name no source code")),
    // Lists
    ("CATALOG_MAXENTRIES", Smallest("page-entries-max")),
    ("TAGS_MAXTAGS", Smallest("page-entries-max")),
    // What protects, and is not built
    ("AUTH", OnlyAs("none", NO_LOGIN.why(), NO_LOGIN.instead())),
    ("AUTH_NONE*", Elsewhere("says that nobody is asked who they are")),
    ("AUTH*", NO_LOGIN),
    ("PROXY*", NO_PROXY),
    ("MIDDLEWARE*", NO_MIDDLEWARE),
    ("POLICY*", NO_POLICY),
    ("VALIDATION_MANIFESTS_URLS*", NO_POLICY),
    ("VALIDATION_MANIFESTS_INDEXES*", LeftOut("the parts of an index are always looked for")),
    ("VALIDATION_ENABLED", LeftOut("manifests are always validated")),
    ("VALIDATION_DISABLED", LeftOut("manifests are always validated; see --allow-sparse")),
    // Machinery of registry:2
    ("REDIS*", OWN_CACHE),
    ("HEALTH*", LeftOut("/readyz asks the store itself")),
    ("NOTIFICATIONS*", NO_EVENTS),
    ("REPORTING*", LeftOut("wharf reports to nobody")),
    ("COMPATIBILITY*", NO_SCHEMA_1),
];

impl Fate {
    const fn why(self) -> &'static str {
        match self {
            Refused(why, _) | OnlyAs(_, why, _) | LeftOut(why) | Elsewhere(why) => why,
            Taken(_) | Reversed(_) | Smallest(_) | Header => "",
        }
    }

    const fn instead(self) -> &'static str {
        match self {
            Refused(_, instead) | OnlyAs(_, _, instead) => instead,
            _ => "",
        }
    }
}

/// What becomes of the setting with this name, in capitals and without `REGISTRY_`.
pub fn of(name: &str) -> Option<&'static Fate> {
    let fits = |known: &str| match known.strip_suffix('*') {
        None => known == name,
        Some(start) => {
            name.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        }
    };
    let fitting = KNOWN.iter().filter(|(known, _)| fits(known));
    // An exact name is shorter than the same name with a `*`, so it is asked for first.
    let by_length = |(known, _): &&(&str, Fate)| (*known == name, known.len());
    fitting.max_by_key(by_length).map(|(_, fate)| fate)
}

/// Whether settings that are known stand below this name.
pub fn is_above_known(name: &str) -> bool {
    let start = format!("{name}_");
    KNOWN.iter().any(|(known, _)| known.starts_with(&start))
}
