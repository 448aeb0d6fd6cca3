//! Help, usage, completions.

use super::place::Ended;
use super::support::process::output;

fn run(arguments: &[&str]) -> Ended {
    Ended::of(&output(arguments))
}

#[test]
fn help_is_the_map() {
    let help = run(&["--help"]);

    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    for part in [
        "run ",
        "replay ",
        "dump ",
        "check ",
        "status ",
        "audit ",
        "checkpoint ",
        "quarantine ",
        "completions ",
        "--help",
        "--version",
        "Exit codes:",
    ] {
        assert!(help.out.contains(part), "{part}\n{}", help.out);
    }
    for code in
        ["0  done", "64  bad usage", "65  unreadable", "69  a service", "70  a promise", "74  input or output", "75  another instance"]
    {
        assert!(help.out.contains(code), "{code}\n{}", help.out);
    }
    assert!(help.out.lines().all(|line| line.chars().count() <= 100), "a line is too wide:\n{}", help.out);
}

#[test]
fn every_command_explains_itself() {
    for (command, flags) in [
        ("run", &["--config <FILE>", "-c,", "--drain", "--timeout <DURATION>", "RINGTAIL_CONFIG"][..]),
        ("replay", &["--config <FILE>", "-c,", "<PATH>..."]),
        (
            "dump",
            &[
                "<PATH>...",
                "--json",
                "--raw",
                "--stats",
                "--filter <KS.TABLE>",
                "--key <TEXT>",
                "--from <SEGMENT[:POS]>",
                "--to <",
                "--since <TIME>",
                "--until <TIME>",
                "auto, always, never",
                "--schema <FILE>",
                ".zst",
                ".gz",
                "standard input",
            ],
        ),
        ("check", &["--config <FILE>", "-c,"]),
        ("status", &["--config <FILE>", "--watch", "--json"]),
        ("audit", &["--config <FILE>", "--all", "--json", "acknowledge"]),
        ("checkpoint", &["show", "rewind", "skip", "import"]),
        ("quarantine", &["list", "show", "export", "retry"]),
        ("completions", &["bash", "zsh", "fish"]),
    ] {
        let help = run(&[command, "--help"]);

        assert_eq!((help.code, help.err.as_str()), (Some(0), ""), "{command}");
        for flag in flags {
            assert!(help.out.contains(flag), "{command}: {flag}\n{}", help.out);
        }
    }
}

#[test]
fn the_version_is_one_line() {
    assert_eq!(run(&["--version"]).out, format!("ringtail {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn bad_usage_ends_with_64_and_says_what_is_right() {
    for (arguments, message) in [
        (&[][..], "Usage: ringtail <COMMAND>"),
        (&["runn"], "a similar subcommand exists: 'run'"),
        (&["run"], "--config <FILE>"),
        (&["run", "--config"], "a value is required for '--config <FILE>'"),
        (&["run", "-c", "x", "--drian"], "a similar argument exists: '--drain'"),
        (&["run", "-c", "x", "--timeout", "5s"], "--drain"),
        (&["run", "-c", "x", "--drain", "--timeout", "5"], "expected a number with its unit, as 30s or 5m"),
        (&["replay", "-c", "x"], "<PATH>..."),
        (&["dump"], "<PATH>..."),
        (&["completions", "csh"], "possible values: bash"),
    ] {
        let ended = run(arguments);

        assert_eq!((ended.code, ended.out.as_str()), (Some(64), ""), "{arguments:?}");
        ended.says(message);
    }
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = run(&["completions", shell]);

        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{shell}");
        for word in ["run", "replay", "dump", "check", "drain", "schema", "stats", "filter", "since", "audit", "acknowledge", "rewind"] {
            assert!(ended.out.contains(word), "{shell} does not know {word}");
        }
    }
}
