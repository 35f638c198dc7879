//! `docs/CONFIGURATION.md`, written from the tables, and the test that fails when it is stale.

use std::fmt::Write;
use std::path::Path;

use crate::config::registry_two::PREFIX;
use crate::config::registry_two::fate::{Fate, KNOWN};
use crate::config::table::{GROUPS, SETTINGS};

const BEFORE: &str = "\
<!-- Written from src/config by a test. To write it anew: WHARF_WRITE_DOCS=1 cargo test -p wharf configuration_document -->

# Configuration

`wharf serve` runs without any setting: a registry on `127.0.0.1:5000` (and `[::1]:5000` where there
is IPv6) for this machine alone, with its store in your data folder: `$XDG_DATA_HOME/wharf/registry`,
else `~/.local/share/wharf/registry`, on macOS `~/Library/Application Support/wharf/registry`.

In its container image it listens on port 5000 of every address, with its store in
`/var/lib/registry`.

## Where settings come from

Each place outdoes those above it:

1. the defaults below
2. the container image, in `WHARF_IMAGE_ROOT` and `WHARF_IMAGE_LISTEN`: its own defaults, not meant
   to be set by hand
3. the file: `/etc/wharf/serve.toml` if it is there, or the one that `--config FILE` or
   `WHARF_SERVE_CONFIG` names, which must be there
4. registry:2's variables, `REGISTRY_*`
5. wharf's variables, `WHARF_SERVE_*`
6. the flags

The log begins with a line that names every setting that differs from its default, and where it was
written. A wrong value, an unknown key or an unknown `WHARF_SERVE_*` variable ends the start with
exit code 2 and a message that names the place, the value, and what it may be, even if another place
outdoes it. An empty variable counts as not set.

## How values are written

| kind | written as |
|---|---|
| switch | `true` or `false` (also `yes`, `no`, `on`, `off`, `1`, `0`); `--read-only` alone means `true` |
| SIZE | bytes, or with a unit: `k`, `m`, `g`, `t` and `KiB` … `TiB` are powers of 1024, `kB` … `TB` powers of 1000 |
| TIME | numbers with units, `30s`, `1h30m`, `250ms`, `7d`; a bare number is refused, but for `0` |
| ADDRESS | `127.0.0.1:5000`, `[::1]:5000`, `name:5000`; `:5000` is every address, `localhost:5000` both loopback addresses |
| lists | a flag that is repeated, a list in the file, a variable with commas (headers: one per line); `none` empties the list |

In the file each setting is a key of the same name:

```toml
listen = [\"127.0.0.1:5001\"]
manifest-size-max = \"4MiB\"
read-only = true
header = [\"X-Content-Type-Options: nosniff\"]
```

## Settings
";

const INGEST: &str = "
## Ingest

A registry that sees Podman's image store takes an image out of it by itself: `wharf push` sends one
small request, and no layer goes over HTTP, nor, on macOS, out of Podman's machine and in again. It is
off until both settings are given:

- `containers-storage` is a folder with the store's `overlay`, `overlay-images` and `overlay-layers`
  in it. Mount these three one by one, each `:ro,bind`. The whole store in one mount would not do:
  Podman's mounts take what is mounted below with them, writable, and the store holds secrets too.
- `ingest-secret` is a file with a secret of 16 characters or more. Without one, any pod that reaches
  the registry could have any image of the user's. `wharf push` has to know it too, as the file
  `~/.config/wharf/ingest-secret`, or by `--ingest-secret`.

```sh
mkdir -p ~/.config/wharf
(umask 077; head -c 32 /dev/urandom | base64 > ~/.config/wharf/ingest-secret)
podman secret create wharf-ingest ~/.config/wharf/ingest-secret
store=$(podman info --format '{{.Store.GraphRoot}}')
podman run --detach --name kind-registry --network kind --publish 127.0.0.1:5000:5000 \\
  --volume wharf:/var/lib/registry \\
  --volume \"$store/overlay:/containers/overlay:ro,bind\" \\
  --volume \"$store/overlay-images:/containers/overlay-images:ro,bind\" \\
  --volume \"$store/overlay-layers:/containers/overlay-layers:ro,bind\" \\
  --secret wharf-ingest,mode=0400 \\
  --env WHARF_SERVE_CONTAINERS_STORAGE=/containers \\
  --env WHARF_SERVE_INGEST_SECRET=/run/secrets/wharf-ingest \\
  localhost/wharf
```

The container has to be started by the user whose store it is, so that both see the same owners of
files. Where SELinux is on, it needs `--security-opt label=disable`: the labels of the store are not
to be changed. Podman may build, pull and remove images meanwhile: what is gone when its turn comes
ends the ingest, and no tag moves. An image that cannot be taken in (a list of several platforms, a
store of another driver than overlay) is pushed as usual.
";

const REGISTRY_2: &str = "
## registry:2's variables

A container of registry:2 becomes one of wharf by changing the image's name: its variables are
understood, alone (`REGISTRY_STORAGE_DELETE_ENABLED=true`) or as a map in YAML or JSON
(`REGISTRY_STORAGE_DELETE='{\"enabled\": true}'`). What protects is honoured or ends the start with
exit code 2; it is never dropped. What only tunes registry:2's machinery has no effect, and a line of
the log names it. Unknown names are warned about; those that Kubernetes injects for services
(`REGISTRY_PORT=tcp://…`, `REGISTRY_SERVICE_HOST`, …) are ignored.

Two defaults differ from registry:2's: deleting is on (its image needs
`REGISTRY_STORAGE_DELETE_ENABLED=true`), and there is no line per request in the log unless
`REGISTRY_LOG_ACCESSLOG_DISABLED=false` or `--access-log` asks for it. An upload is given up after it
was idle for the `AGE` that registry:2 counts from its start.

A `*` stands for the rest of a name.

| variable | what becomes of it |
|---|---|
";

const AFTER: &str = "
## registry:2's command lines

`serve FILE`, `FILE.yml`, `registry serve FILE` and `REGISTRY_CONFIGURATION_PATH=FILE` start wharf when
FILE is not there, as in wharf's image. A `config.yml` that is there ends the start with exit code 2
and the variable to use for each of its lines: a file that was written to protect a registry is not
passed over. `garbage-collect` is answered with exit code 2: wharf does not have it yet.

## Exit codes

| code | meaning |
|---|---|
| 0 | the registry was told to stop (SIGTERM or SIGINT) and finished its requests |
| 1 | it failed at run time: a taken port, a broken volume; or a second signal stopped it at once |
| 2 | a setting or the command line is wrong, or another process holds the volume |
";

fn document() -> String {
    let mut text = BEFORE.to_owned();
    for group in GROUPS {
        _ = write!(text, "\n### {group}\n\n| setting | value | default | what it does |\n");
        text.push_str("|---|---|---|---|\n");
        for setting in SETTINGS.iter().filter(|setting| setting.group == group) {
            let value = setting.value_name().replace('|', " or ");
            let repeated = if setting.is_list() { " …" } else { "" };
            let default = setting.default_text();
            let (name, help) = (setting.name, setting.help);
            _ = writeln!(text, "| `{name}` | {value}{repeated} | {default} | {help} |");
        }
    }
    text.push_str("\nThe variable of a setting is its name in capitals, as `");
    _ = writeln!(text, "{}` for `{}`.", SETTINGS[0].variable(), SETTINGS[0].name);
    text.push_str(INGEST);
    text.push_str(REGISTRY_2);
    for (name, fate) in KNOWN {
        let fate = match fate {
            Fate::Taken(setting) => format!("is `{setting}`"),
            Fate::Reversed(setting) => format!("is `{setting}`, the other way round"),
            Fate::Smallest(setting) => format!("is `{setting}`; the smallest of several holds"),
            Fate::Header => "is `header`; what it allows to Access-Control-Allow-Origin, but for \
                             `*`, is `allowed-origin` too"
                .to_owned(),
            Fate::LeftOut(why) => format!("no effect: {why}"),
            Fate::Elsewhere(why) => format!("ignored quietly: {why}"),
            Fate::OnlyAs(value, why, instead) => {
                format!("**ends the start** unless it is `{value}`: {why}; {instead}")
            }
            Fate::Refused(why, instead) => format!("**ends the start**: {why}; {instead}"),
        };
        _ = writeln!(text, "| `{PREFIX}{name}` | {fate} |");
    }
    text.push_str(AFTER);
    text
}

#[test]
fn configuration_document_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONFIGURATION.md");
    let text = document();
    if std::env::var_os("WHARF_WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "docs/CONFIGURATION.md is stale; write it anew with: \
         WHARF_WRITE_DOCS=1 cargo test -p wharf configuration_document"
    );
}
