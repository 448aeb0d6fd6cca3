//! The `ringtail` binary: parse, run, exit code.

mod commands;

use clap::Parser;
use commands::{Cli, Exit};
use std::process::ExitCode;

fn main() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => commands::run(cli),
        Err(error) => {
            // A closed pipe under `--help` is nobody's concern.
            error.print().ok();
            if error.use_stderr() { Exit::Usage } else { Exit::Done }
        }
    };
    ExitCode::from(exit as u8)
}
