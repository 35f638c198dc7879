//! What becomes of each variable of registry:2.

use super::*;
use crate::config::{CommandLine, Joined, join};

/// Joins the settings of a machine that has nothing but these variables, and a home.
fn joined(variables: &[(&str, &str)]) -> Result<Joined, Error> {
    let variables = [variables, &[("HOME", "/home/a")]].concat();
    join(CommandLine::default(), &Machine::with(&variables))
}

/// The settings that differ from the defaults, as `name=value`.
fn taken(variables: &[(&str, &str)]) -> String {
    let joined = joined(variables).unwrap();
    assert_eq!(joined.unknown, [], "{variables:?}");
    let taken = joined.taken.iter().map(|(name, text, _)| format!("{name}={text}"));
    taken.collect::<Vec<_>>().join(" ")
}

#[test]
fn variables_that_wharf_has_a_setting_for_are_honoured() {
    for (name, text, settings) in [
        ("REGISTRY_HTTP_ADDR", ":5000", "listen=[::]:5000"),
        ("REGISTRY_HTTP_ADDR", "0.0.0.0:5000", "listen=0.0.0.0:5000"),
        ("REGISTRY_HTTP_ADDR", "localhost:5001", "listen=127.0.0.1:5001"),
        ("REGISTRY_HTTP_DEBUG_ADDR", ":5001", "admin-listen=[::]:5001"),
        ("REGISTRY_HTTP_DEBUG", "{addr: 'localhost:5001'}", "admin-listen=127.0.0.1:5001"),
        ("REGISTRY_HTTP_HOST", "https://r.example/", "public-url=https://r.example"),
        ("REGISTRY_HTTP_DRAINTIMEOUT", "60s", "drain-time-max=1m"),
        (
            "REGISTRY_HTTP_HEADERS_X-Content-Type-Options",
            "[nosniff]",
            "header=x-content-type-options: nosniff",
        ),
        ("REGISTRY_HTTP_HEADERS", r#"{"X-A":["b","c"],"X-D":[]}"#, "header=x-a: b, x-a: c"),
        (
            "REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin",
            "['http://ui:8080']",
            "header=access-control-allow-origin: http://ui:8080 allowed-origin=http://ui:8080",
        ),
        (
            "REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin",
            "['*']",
            "header=access-control-allow-origin: *",
        ),
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/data", "root=/data"),
        ("REGISTRY_STORAGE_FILESYSTEM", "{rootdirectory: /data}", "root=/data"),
        (
            "REGISTRY_STORAGE",
            r#"{"filesystem":{"rootdirectory":"/data"},"delete":{"enabled":false}}"#,
            "root=/data deletes=false",
        ),
        ("REGISTRY_STORAGE_DELETE_ENABLED", "true", "deletes=true"),
        ("REGISTRY_STORAGE_DELETE_ENABLED", "\"false\"", "deletes=false"),
        ("REGISTRY_STORAGE_DELETE", "{enabled: false}", "deletes=false"),
        ("REGISTRY_STORAGE_DELETE", "false", "deletes=false"),
        ("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "true", "read-only=true"),
        ("REGISTRY_STORAGE_MAINTENANCE_READONLY", r#"{"enabled":true}"#, "read-only=true"),
        ("REGISTRY_STORAGE_MAINTENANCE_READONLY", "enabled: true", "read-only=true"),
        ("REGISTRY_STORAGE_MAINTENANCE_READONLY", "true", "read-only=true"),
        ("REGISTRY_STORAGE_MAINTENANCE", "{readonly: {enabled: true}}", "read-only=true"),
        ("REGISTRY_STORAGE_MAINTENANCE", "readonly:\n  enabled: true\n", "read-only=true"),
        ("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED", "false", "upload-purge=false"),
        ("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE", "168h", "upload-idle-max=168h"),
        (
            "REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_INTERVAL",
            "1h30m",
            "upload-purge-interval=1h30m",
        ),
        ("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_DRYRUN", "true", "upload-purge-dry-run=true"),
        (
            "REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING",
            r#"{"enabled":true,"age":"24h","interval":"2h","dryrun":false}"#,
            "upload-idle-max=24h upload-purge=true upload-purge-interval=2h \
          upload-purge-dry-run=false",
        ),
        ("REGISTRY_LOG_LEVEL", "debug", "log-level=debug"),
        ("REGISTRY_LOGLEVEL", "error", "log-level=error"),
        ("REGISTRY_LOG_FORMATTER", "logstash", "log-format=json"),
        ("REGISTRY_LOG_ACCESSLOG_DISABLED", "true", "access-log=false"),
        ("REGISTRY_LOG_ACCESSLOG_DISABLED", "false", "access-log=true"),
        (
            "REGISTRY_LOG",
            "{accesslog: {disabled: false}, level: info}",
            "access-log=true log-level=info",
        ),
        ("REGISTRY_CATALOG_MAXENTRIES", "5000", "page-entries-max=5000"),
        ("REGISTRY_TAGS_MAXTAGS", "50", "page-entries-max=50"),
        // What says nothing, or what wharf does anyway.
        ("REGISTRY_STORAGE_DELETE_ENABLED", "", ""),
        ("REGISTRY_HTTP_TLS_CERTIFICATE", " ", ""),
        ("REGISTRY_STORAGE", "filesystem", ""),
        ("REGISTRY_STORAGE", "{filesystem: {}}", ""),
        ("REGISTRY_AUTH", "none", ""),
        ("REGISTRY_AUTH", "{none: {}}", ""),
        ("REGISTRY_AUTH", "{}", ""),
        ("REGISTRY_HTTP_NET", "tcp", ""),
        ("REGISTRY_HTTP_PREFIX", "/", ""),
        ("REGISTRY_VERSION", "0.1", ""),
        ("REGISTRY_AUTH_FILE", "/run/user/0/containers/auth.json", ""),
        ("REGISTRY_CONFIGURATION_PATH", "/no/such/config.yml", ""),
    ] {
        assert_eq!(taken(&[(name, text)]), settings, "{name}={text}");
    }
}

#[test]
fn several_variables_meet_as_they_do_in_registry_2() {
    for (variables, settings) in [
        (
            &[
                ("REGISTRY_STORAGE_DELETE", "{enabled: false}"),
                ("REGISTRY_STORAGE_DELETE_ENABLED", "true"),
            ],
            "deletes=true",
        ),
        (
            &[("REGISTRY_CATALOG_MAXENTRIES", "50"), ("REGISTRY_TAGS_MAXTAGS", "70")],
            "page-entries-max=50",
        ),
        (
            &[("REGISTRY_CATALOG_MAXENTRIES", "70"), ("REGISTRY_TAGS_MAXTAGS", "50")],
            "page-entries-max=50",
        ),
        (
            &[("REGISTRY_HTTP_HEADERS_X-A", "[b]"), ("REGISTRY_HTTP_HEADERS_X-C_0", "d")],
            "header=x-a: b, x-c: d",
        ),
    ] {
        assert_eq!(taken(variables), settings, "{variables:?}");
    }
}

#[test]
fn settings_that_protect_end_the_start() {
    for (name, text, why) in [
        ("REGISTRY_AUTH", "htpasswd", "does not ask who is there"),
        ("REGISTRY_AUTH", "token", "does not ask who is there"),
        ("REGISTRY_AUTH", "silly", "does not ask who is there"),
        ("REGISTRY_AUTH", "{htpasswd: {realm: a, path: /b}}", "does not ask who is there"),
        ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd", "does not ask who is there"),
        ("REGISTRY_AUTH_HTPASSWD_REALM", "Registry Realm", "does not ask who is there"),
        ("REGISTRY_AUTH_TOKEN_REALM", "https://auth/token", "does not ask who is there"),
        ("REGISTRY_HTTP_TLS_CERTIFICATE", "/certs/a.crt", "no TLS yet"),
        ("REGISTRY_HTTP_TLS_KEY", "/certs/a.key", "no TLS yet"),
        ("REGISTRY_HTTP_TLS_CLIENTCAS_0", "/certs/ca.crt", "no TLS yet"),
        ("REGISTRY_HTTP_TLS_MINIMUMTLS", "tls1.2", "no TLS yet"),
        ("REGISTRY_HTTP_TLS_LETSENCRYPT_EMAIL", "a@b.example", "no TLS yet"),
        ("REGISTRY_HTTP", "{addr: ':5000', tls: {certificate: /a}}", "no TLS yet"),
        ("REGISTRY_PROXY_REMOTEURL", "https://registry-1.docker.io", "does not fetch"),
        ("REGISTRY_PROXY_PASSWORD", "secret", "does not fetch"),
        ("REGISTRY_PROXY", "{remoteurl: 'https://registry-1.docker.io'}", "does not fetch"),
        ("REGISTRY_STORAGE", "s3", "no other storage driver"),
        ("REGISTRY_STORAGE", "inmemory", "no other storage driver"),
        ("REGISTRY_STORAGE", "{inmemory: {}}", "no other storage driver"),
        ("REGISTRY_STORAGE", "inmemory:", "no other storage driver"),
        ("REGISTRY_STORAGE_S3_BUCKET", "b", "no other storage driver"),
        ("REGISTRY_STORAGE_AZURE_ACCOUNTNAME", "b", "no other storage driver"),
        ("REGISTRY_STORAGE_DELET_ENABLED", "false", "no other storage driver"),
        ("REGISTRY_HTTP_NET", "unix", "listens on TCP alone"),
        ("REGISTRY_HTTP_PREFIX", "/registry", "at /v2/ alone"),
        ("REGISTRY_MIDDLEWARE_STORAGE", "[{name: cloudfront}]", "no middleware"),
        ("REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW", "['^https://a/']", "cannot restrict"),
        ("REGISTRY_VALIDATION_MANIFESTS_URLS_DENY_0", "^https://a/", "cannot restrict"),
        ("REGISTRY_POLICY_REPOSITORY_CLASSES", "[image]", "cannot restrict"),
    ] {
        let refused = joined(&[(name, text)]).map(|joined| joined.taken);
        let Err(Error::Refused { refusals }) = refused else {
            panic!("{name}={text} gives {refused:?}")
        };
        assert_eq!(refusals.len(), 1, "{name}={text}");
        assert_eq!(refusals[0].variables, [name], "{name}={text}");
        assert!(refusals[0].why.contains(why), "{name}={text}: {}", refusals[0].why);
        assert!(!refusals[0].to_string().contains("secret"), "a value that may be a password");
    }
}

#[test]
fn everything_that_is_refused_is_named_at_once_by_its_reason() {
    let refused = joined(&[
        ("REGISTRY_AUTH", "htpasswd"),
        ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd"),
        ("REGISTRY_HTTP_TLS_KEY", "/a.key"),
    ]);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "cannot start with settings that wharf would have to drop:\n  \
         REGISTRY_AUTH, REGISTRY_AUTH_HTPASSWD_PATH: wharf does not ask who is there yet; unset \
         it, and let only those reach the registry that may use it (--listen 127.0.0.1:5000)\n  \
         REGISTRY_HTTP_TLS_KEY: wharf speaks plain HTTP, and no TLS yet; unset it, and keep to \
         loopback or put a proxy with TLS in front"
    );
}

#[test]
fn variables_that_do_no_harm_are_left_out_by_name() {
    for name in [
        "REGISTRY_HTTP_SECRET",
        "REGISTRY_HTTP_RELATIVEURLS",
        "REGISTRY_HTTP_HTTP2_DISABLED",
        "REGISTRY_HTTP_H2C_ENABLED",
        "REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED",
        "REGISTRY_HTTP_DEBUG_PROMETHEUS_PATH",
        "REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR",
        "REGISTRY_STORAGE_CACHE_BLOBDESCRIPTORSIZE",
        "REGISTRY_STORAGE_REDIRECT_DISABLE",
        "REGISTRY_STORAGE_TAG_CONCURRENCYLIMIT",
        "REGISTRY_STORAGE_FILESYSTEM_MAXTHREADS",
        "REGISTRY_LOG_FIELDS_SERVICE",
        "REGISTRY_REDIS_ADDR",
        "REGISTRY_HEALTH_STORAGEDRIVER_ENABLED",
        "REGISTRY_NOTIFICATIONS_ENDPOINTS",
        "REGISTRY_VALIDATION_DISABLED",
        "REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMS",
        "REGISTRY_COMPATIBILITY_SCHEMA1_ENABLED",
        "REGISTRY_REPORTING_NEWRELIC_LICENSEKEY",
    ] {
        let joined = joined(&[(name, "x")]).unwrap();
        let named: Vec<_> = joined.left_out.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(named, [name]);
        assert!(joined.taken.is_empty() && joined.unknown.is_empty(), "{name}");
    }
}

#[test]
fn unknown_variables_are_named_with_the_nearest_that_is_known() {
    let joined = joined(&[("REGISTRY_HTTP_ADRR", ":1"), ("REGISTRY_URL", "x")]).unwrap();
    assert_eq!(
        joined.unknown,
        [
            ("REGISTRY_HTTP_ADRR".to_owned(), Some("REGISTRY_HTTP_ADDR".to_owned())),
            ("REGISTRY_URL".to_owned(), None),
        ]
    );
}

#[test]
fn variables_that_kubernetes_injects_are_ignored_quietly() {
    let injected = [
        ("REGISTRY_PORT", "tcp://10.96.0.7:5000"),
        ("REGISTRY_SERVICE_HOST", "10.96.0.7"),
        ("REGISTRY_SERVICE_PORT", "5000"),
        ("REGISTRY_SERVICE_PORT_HTTP", "5000"),
        ("REGISTRY_PORT_5000_TCP", "tcp://10.96.0.7:5000"),
        ("REGISTRY_PORT_5000_TCP_PROTO", "tcp"),
        ("REGISTRY_PORT_5000_TCP_PORT", "5000"),
        ("REGISTRY_PORT_5000_TCP_ADDR", "10.96.0.7"),
        ("REGISTRY_UI_SERVICE_HOST", "10.96.0.8"),
        ("REGISTRY_STORAGE_PORT", "tcp://10.96.0.9:80"),
        ("WHARF_PORT", "tcp://10.96.0.7:5000"),
        ("WHARF_SERVE_PORT", "tcp://10.96.0.7:5000"),
        ("WHARF_SERVE_SERVICE_HOST", "10.96.0.7"),
        ("WHARF_SERVE_SERVICE_PORT", "5000"),
        ("WHARF_SERVE_PORT_5000_TCP_ADDR", "10.96.0.7"),
    ];
    let joined = joined(&injected).unwrap();
    assert!(joined.taken.is_empty() && joined.left_out.is_empty() && joined.unknown.is_empty());
}

#[test]
fn every_fate_names_a_setting_that_exists() {
    for (name, fate) in KNOWN {
        if let Fate::Taken(setting) | Fate::Reversed(setting) | Fate::Smallest(setting) = fate {
            assert!(table::find(setting).is_some(), "{name}");
        }
    }
}

#[test]
fn a_wrong_value_names_the_variable() {
    let wrong = joined(&[("REGISTRY_STORAGE_MAINTENANCE_READONLY", "{enabled: maybe}")]);
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "cannot use \"maybe\" as read-only (from REGISTRY_STORAGE_MAINTENANCE_READONLY): \
         it must be true or false"
    );
}
