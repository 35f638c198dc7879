//! The flags as clap sees them.

use super::*;

fn read(words: &[&str]) -> Result<CommandLine, clap::Error> {
    let command = ServeArgs::augment_args(Command::new("serve"));
    let words = ["serve"].iter().chain(words);
    let matches = command.try_get_matches_from(words)?;
    Ok(ServeArgs::from_arg_matches(&matches)?.0)
}

#[test]
fn flags_become_settings_with_their_origin() {
    for (words, flags) in [
        (&["--root", "/data"][..], "root=/data"),
        (&["--listen", ":1", "--listen=:2"], "listen=:1|:2"),
        (&["--read-only"], "read-only=true"),
        (&["--read-only=false"], "read-only=false"),
        (&["--deletes", "false"], "deletes=false"),
        (&["--header", "X-A: b", "--header", "X-C: d"], "header=X-A: b|X-C: d"),
        (&[], ""),
    ] {
        let line = read(words).unwrap();
        let shown: Vec<String> = line
            .flags
            .iter()
            .map(|flag| {
                assert_eq!(flag.origin, Origin::Flag(flag.setting.name));
                format!("{}={}", flag.setting.name, flag.texts.join("|"))
            })
            .collect();
        assert_eq!(shown.join(" "), flags, "{words:?}");
    }
}

#[test]
fn a_configuration_of_registry_2_is_a_word_and_no_value_of_a_switch() {
    let line = read(&["--read-only", "/etc/docker/registry/config.yml"]).unwrap();
    assert_eq!(line.old_file, Some(PathBuf::from("/etc/docker/registry/config.yml")));
    assert_eq!(line.flags.len(), 1);
    let line = read(&["--config", "serve.toml"]).unwrap();
    assert_eq!((line.file, line.old_file), (Some(PathBuf::from("serve.toml")), None));
}

#[test]
fn every_setting_is_in_the_help_with_its_default() {
    let mut command = ServeArgs::augment_args(Command::new("serve"));
    let help = command.render_long_help().to_string();
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for setting in SETTINGS {
        assert!(help.contains(&format!("--{}", setting.name)), "{}", setting.name);
        let line = format!("{} [default: {}]", setting.help, setting.default_text());
        assert!(words.contains(&line), "{line}");
    }
}
