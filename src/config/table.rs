//! Every setting of `wharf serve`, once: the flags, the keys of the file, the variables and
//! `docs/CONFIGURATION.md` are made from these lines.

use crate::config::setting::{self, Field, Setting};
use crate::config::{ingest, registry_two};

/// The sections of the help and of the document, in their order.
#[cfg(test)]
pub const GROUPS: [&str; 7] = [STORE, CONTENT, INGEST, UPLOADS, LIMITS, HTTP, LOG];
const STORE: &str = "Store and addresses";
const CONTENT: &str = "Content";
const INGEST: &str = "Ingest";
const UPLOADS: &str = "Uploads";
const LIMITS: &str = "Limits";
const HTTP: &str = "HTTP";
const LOG: &str = "Log";

/// The sections that most people never need: left out of the short help.
pub const FOR_FEW: [&str; 4] = [INGEST, UPLOADS, LIMITS, HTTP];

/// Every setting, in the order of the help.
pub const SETTINGS: &[Setting] = &[
    Setting {
        default: Some("your data folder, as ~/.local/share/wharf/registry"),
        ..setting(
            STORE,
            "root",
            "The folder of the store; a volume of registry:2 is taken as it is",
            Field::Folder(|serve| &mut serve.registry.root),
        )
    },
    Setting {
        default: Some("127.0.0.1:5000, and [::1]:5000 where there is IPv6"),
        ..setting(
            STORE,
            "listen",
            "Where the registry listens; `:5000` means on every address of the machine",
            Field::Addresses(|serve| &mut serve.registry.listen),
        )
    },
    setting(
        STORE,
        "admin-listen",
        "Serve /healthz, /readyz and /metrics on an address of their own",
        Field::AddressOrNone(|serve| &mut serve.registry.admin_listen),
    ),
    setting(
        STORE,
        "free-space-min",
        "Refuse pushes that would leave less than this free on the volume",
        Field::Size(|serve| &mut serve.registry.free_bytes_min),
    ),
    setting(
        STORE,
        "cache-size-max",
        "The most memory for cached manifests, tags and blob sizes",
        Field::Size(|serve| &mut serve.registry.cache_bytes_max),
    ),
    setting(
        CONTENT,
        "read-only",
        "Refuse everything that would change the store",
        Field::Switch(|serve| &mut serve.registry.read_only),
    ),
    setting(
        CONTENT,
        "deletes",
        "Whether tags, manifests and blobs may be deleted",
        Field::Switch(|serve| &mut serve.registry.deletes),
    ),
    setting(
        CONTENT,
        "allow-sparse",
        "Accept manifests although blobs that they name are missing",
        Field::Switch(|serve| &mut serve.registry.allow_sparse),
    ),
    setting(
        CONTENT,
        "manifest-size-max",
        "The largest manifest that is accepted",
        Field::Size(|serve| &mut serve.registry.manifest_bytes_max),
    ),
    setting(
        CONTENT,
        "blob-size-max",
        "The largest blob that is accepted",
        Field::SizeOrNone(|serve| &mut serve.registry.blob_bytes_max),
    ),
    setting(
        CONTENT,
        "page-entries-max",
        "The most entries on one page of tags or of the catalog",
        Field::Count(|serve| &mut serve.registry.page_entries_max),
    ),
    setting(
        CONTENT,
        "catalog-page",
        "The entries on a page of the catalog when the client asks for no number",
        Field::Count(|serve| &mut serve.registry.catalog_page),
    ),
    setting(
        INGEST,
        ingest::STORAGE,
        "Take images from the containers/storage that is mounted here",
        Field::FolderOrNone(|serve| &mut serve.ingest.storage),
    ),
    setting(
        INGEST,
        ingest::SECRET,
        "The file with the secret that lets a client ask for it",
        Field::FileOrNone(|serve| &mut serve.ingest.secret),
    ),
    setting(
        UPLOADS,
        "upload-idle-max",
        "How long an upload may receive nothing before it is given up",
        Field::Time(|serve| &mut serve.registry.uploads.idle_max),
    ),
    setting(
        UPLOADS,
        "upload-count-max",
        "The most uploads that are open at once",
        Field::Count(|serve| &mut serve.registry.uploads.count_max),
    ),
    setting(
        UPLOADS,
        "upload-purge",
        "Whether uploads that were given up are removed",
        Field::Switch(|serve| &mut serve.registry.uploads.purge),
    ),
    setting(
        UPLOADS,
        "upload-purge-interval",
        "How often uploads to remove are looked for",
        Field::Time(|serve| &mut serve.registry.uploads.purge_interval),
    ),
    setting(
        UPLOADS,
        "upload-purge-dry-run",
        "Only log which uploads would be removed",
        Field::Switch(|serve| &mut serve.registry.uploads.purge_dry_run),
    ),
    setting(
        LIMITS,
        "connections-max",
        "The most connections that are open at once",
        Field::Count(|serve| &mut serve.registry.limits.connections_max),
    ),
    setting(
        LIMITS,
        "header-time-max",
        "How long a client may take to send the head of a request",
        Field::Time(|serve| &mut serve.registry.limits.header_time_max),
    ),
    setting(
        LIMITS,
        "idle-time-max",
        "How long a connection may stay open between two requests",
        Field::Time(|serve| &mut serve.registry.limits.idle_time_max),
    ),
    setting(
        LIMITS,
        "body-idle-max",
        "How long a client may neither send nor take a byte of a body",
        Field::Time(|serve| &mut serve.registry.limits.body_idle_max),
    ),
    // Less than this, and the HTTP library would refuse to start.
    setting(
        LIMITS,
        "header-size-max",
        "The largest head of a request",
        Field::Memory(|serve| &mut serve.registry.limits.header_bytes_max, 8 << 10),
    ),
    setting(
        LIMITS,
        "headers-max",
        "The most headers in one request",
        Field::Count(|serve| &mut serve.registry.limits.headers_max),
    ),
    setting(
        LIMITS,
        "drain-time-max",
        "How long requests may still run when the registry is told to stop",
        Field::TimeOrZero(|serve| &mut serve.registry.limits.drain_time_max),
    ),
    setting(
        HTTP,
        "public-url",
        "Make Location headers absolute, beginning with this",
        Field::UrlOrNone(|serve| &mut serve.registry.http.location_base),
    ),
    setting(
        HTTP,
        "header",
        "A header for every response, as \"Name: value\"",
        Field::Headers(|serve| &mut serve.registry.http.headers),
    ),
    setting(
        HTTP,
        "allowed-origin",
        "A web page that may change the store, as http://ui.example:8080",
        Field::Origins(|serve| &mut serve.registry.http.allowed_origins),
    ),
    setting(
        HTTP,
        "name",
        "A host name of this registry: its own pages may change the store",
        Field::Names(|serve| &mut serve.registry.http.names),
    ),
    setting(
        LOG,
        "access-log",
        "Write a line per request, beside those per push and pull",
        Field::Switch(|serve| &mut serve.registry.http.access_log),
    ),
    setting(
        LOG,
        "log-level",
        "How much is logged: error, warn, info, debug or trace",
        Field::Level(|serve| &mut serve.log.level),
    ),
    setting(
        LOG,
        "log-format",
        "The form of the log: text or json",
        Field::Format(|serve| &mut serve.log.format),
    ),
];

/// A setting whose default is the same on every machine.
const fn setting(
    group: &'static str,
    name: &'static str,
    help: &'static str,
    field: Field,
) -> Setting {
    Setting { name, group, help, default: None, field }
}

/// The setting of that name.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// The name among `names` that is nearest to what was written, if any is near.
pub fn nearest(written: &str, names: impl IntoIterator<Item = String>) -> Option<String> {
    const NEAR: f64 = 0.8;
    // What every name begins with would make all of them near.
    let own = |name: &str| {
        let own = [setting::PREFIX, registry_two::PREFIX].iter().find_map(|p| name.strip_prefix(p));
        own.unwrap_or(name).to_owned()
    };
    let near = |name: String| (strsim::jaro_winkler(&own(written), &own(&name)), name);
    let scored = names.into_iter().map(near).filter(|(score, _)| *score > NEAR);
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::config::{Machine, Serve};

    #[test]
    fn names_are_unique_and_groups_are_known() {
        let names: HashSet<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        assert_eq!(names.len(), SETTINGS.len());
        for setting in SETTINGS {
            assert!(GROUPS.contains(&setting.group), "{}", setting.name);
        }
    }

    #[test]
    fn every_default_reads_back_as_itself() {
        let machine = Machine { ipv6: true, ..Machine::with(&[("HOME", "/home/a")]) };
        let defaults = Serve::new(&machine);
        for setting in SETTINGS {
            let mut serve = defaults.clone();
            let shown = setting.show(&mut serve);
            setting.fill(&mut serve, &setting.split(&shown), &machine).unwrap();
            assert_eq!(serve, defaults, "{}", setting.name);
        }
    }

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let names = || SETTINGS.iter().map(|setting| setting.name.to_owned());
        for (written, near) in [
            ("readonly", Some("read-only")),
            ("manifest-max-size", Some("manifest-size-max")),
            ("delete", Some("deletes")),
            ("zebra", None),
        ] {
            assert_eq!(nearest(written, names()).as_deref(), near, "{written}");
        }
    }
}
