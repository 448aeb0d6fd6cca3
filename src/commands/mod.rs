//! The command line: what each command takes, does, and ends with.

mod audit;
mod check;
mod check_kafka;
mod check_registry;
mod checkpoint;
mod dump;
mod identity;
mod import;
mod ledger;
mod parked;
mod quarantine;
mod replay;
mod run;
mod schema;
mod schema_file;
mod shell;
mod sinks;
mod status;

use clap::{Args, CommandFactory, Parser, Subcommand};
use ringtail::config::{self, Config};
use ringtail::dump::Release;
use ringtail::keystore::KeystoreType;
use ringtail::pipeline::park::Place;
use ringtail::telemetry::{self, NodeName};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What the process ends with (`sysexits.h`, and what the documentation promises).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Bad usage or configuration.
    Usage = 64,
    /// Something in the input could not be read, or was parked.
    Data = 65,
    /// A service is unavailable.
    Unavailable = 69,
    /// A promise was broken: bytes lost, checkpoint gone.
    Promise = 70,
    /// Input or output failed.
    Io = 74,
    /// Another instance holds the state folder.
    Held = 75,
}

/// Change data capture for Apache Cassandra: reads the commit log segments in cdc_raw and emits ordered change events to Kafka,
/// losing nothing.
#[derive(Debug, Parser)]
#[command(name = "ringtail", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
Exit codes:
   0  done
  64  bad usage or configuration
  65  unreadable or unknown input (dump, replay), something stays parked (parked retry), something is set aside (audit)
  69  a service does not answer (check, status), or --timeout has passed
  70  a promise is broken: bytes lost (audit: and not acknowledged), checkpoint gone
  74  input or output failed
  75  another instance holds the state folder or the output file")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The agent: watch cdc_raw, emit events, checkpoint, until SIGTERM
    Run(RunArgs),
    /// Send the events of segments in any folder, read-only, then leave
    Replay(ReplayArgs),
    /// Print the mutations of segments; needs only files
    Dump(Box<dump::DumpArgs>),
    /// Try everything that a run would need and print a line each
    Check(CheckArgs),
    /// How it is going: one screen from the running agent, or what its ledger says
    Status(status::StatusArgs),
    /// Where every byte of every segment went; whether anything is lost
    Audit(audit::AuditArgs),
    /// How far each segment is delivered; take positions back, give ranges up, or take over those of Debezium
    #[command(subcommand)]
    Checkpoint(checkpoint::CheckpointCommand),
    /// A schema file from a running node; what is known of the schema, with its history
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// What could not be published and is kept with its reason: look at it, publish it, give it up
    #[command(subcommand)]
    Parked(ParkedCommand),
    /// Segments that were kept whole because something in them could not be read: look, copy them out, read them again
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
struct ConfigArg {
    /// Configuration file (YAML); RINGTAIL_SECTION__KEY in the environment goes before it
    #[arg(short, long, env = "RINGTAIL_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Take what is present at start, deliver it, and leave
    #[arg(long)]
    drain: bool,
    /// With --drain: leave with 69 when it takes longer, as 30s or 5m
    #[arg(long, value_name = "DURATION", requires = "drain", value_parser = duration)]
    timeout: Option<Duration>,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Segments, tars of segments, or folders of segments; all may be compressed, as .zst or .gz. - is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The whole schema, in either form: what the configuration and the log say of it does not count
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// Write the schema of the configured node as a schema file
    Export(SchemaExportArgs),
    /// Print the tables that the agent of this state folder knows, and what the log told of them; also while it runs
    Show(SchemaShowArgs),
}

#[derive(Debug, Args)]
struct SchemaExportArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The rows of system_schema as JSON, those of Cassandra's own tables too, instead of CQL
    #[arg(long)]
    json: bool,
    /// Where to; without it standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct SchemaShowArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Everything, as the agent keeps it
    #[arg(long)]
    json: bool,
    /// One table, as keyspace.table
    #[arg(value_name = "TABLE")]
    table: Option<String>,
}

#[derive(Debug, Subcommand)]
enum ParkedCommand {
    /// Print what is parked, in the order in which it is published
    List(ParkedListArgs),
    /// Print why one entry is parked and what it is made of; never a value
    Show(ParkedShowArgs),
    /// Publish what can be published now: by the running agent, or here if none runs
    Retry(ParkedRetryArgs),
    /// Give entries up for ever; they count as lost, with time and reason
    Discard(ParkedDiscardArgs),
}

#[derive(Debug, Args)]
struct ParkedListArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// JSON Lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ParkedShowArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// As `parked list` prints it: segment:position, or segment:position/event
    #[arg(value_name = "POS")]
    place: Place,
}

#[derive(Debug, Args)]
struct ParkedRetryArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// As `parked list` prints them. What waits comes out in order: an entry goes only after those before it
    #[arg(value_name = "POS", required_unless_present = "all", conflicts_with = "all")]
    places: Vec<Place>,
    /// Everything that is parked
    #[arg(long)]
    all: bool,
    /// How long to wait for it, as 30s or 5m
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    timeout: Duration,
}

#[derive(Debug, Args)]
struct ParkedDiscardArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// As `parked list` prints them
    #[arg(value_name = "POS", required = true)]
    places: Vec<Place>,
    /// Why; it goes on record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Really do it
    #[arg(long)]
    yes: bool,
}

/// Runs a command.
pub fn run(cli: Cli) -> Exit {
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Dump(args) => dump::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Checkpoint(command) => checkpoint::run(&command),
        Command::Schema(SchemaCommand::Export(args)) => schema::export(&args),
        Command::Schema(SchemaCommand::Show(args)) => schema::show(&args),
        Command::Parked(ParkedCommand::List(args)) => parked::list(&args),
        Command::Parked(ParkedCommand::Show(args)) => parked::show(&args),
        Command::Parked(ParkedCommand::Retry(args)) => parked::retry(&args),
        Command::Parked(ParkedCommand::Discard(args)) => parked::discard(&args),
        Command::Quarantine(command) => quarantine::run(&command),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "ringtail", &mut script);
            print(&script)
        }
    }
}

fn keystore_type(text: &str) -> Result<KeystoreType, String> {
    KeystoreType::from_name(text).ok_or_else(|| format!("{text:?} is not a type of keystore: expected jceks, jks or pkcs12"))
}

fn release(text: &str) -> Result<Release, String> {
    Release::from_version(text).ok_or_else(|| format!("{text:?} is not a known release: expected 3, 4 or 5, as 4.1"))
}

fn duration(text: &str) -> Result<Duration, String> {
    config::parse_duration(text).ok_or_else(|| "expected a number with its unit, as 30s or 5m".to_owned())
}

fn size(text: &str) -> Result<u64, String> {
    config::parse_size(text).ok_or_else(|| "expected a number with its unit, as 1MiB or 0B".to_owned())
}

/// Reads the configuration and begins the log.
fn configure(path: &Path, node: NodeName) -> Result<Config, Exit> {
    let config = config::load(path, &config::environment()).map_err(|error| fail(Exit::Usage, &error.into()))?;
    let json = config.log.format.is_json(io::stderr().is_terminal());
    telemetry::init(json, config.log.level, node).map_err(|error| fail(Exit::Io, &error.into()))?;
    LOG_IS_JSON.store(json, Ordering::Relaxed);
    Ok(config)
}

/// Whether standard error is a log of JSON lines, and has to stay one.
static LOG_IS_JSON: AtomicBool = AtomicBool::new(false);

/// Writes to standard output. That its reader has seen enough is no failure.
fn print(text: &[u8]) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            fail(Exit::Io, &anyhow::Error::new(error).context("cannot write to standard output"))
        }
        _ => Exit::Done,
    }
}

/// Tells what a command has come to: a plain line, or a line of the log if that is JSON.
fn tell(text: &str) {
    if LOG_IS_JSON.load(Ordering::Relaxed) {
        tracing::info!("{text}");
    } else {
        say(text);
    }
}

/// Tells what somebody should look into.
fn complain(text: &str) {
    if LOG_IS_JSON.load(Ordering::Relaxed) {
        tracing::warn!("{text}");
    } else {
        say(text);
    }
}

/// Says why the command failed, with every cause, and returns what it ends with.
fn fail(exit: Exit, error: &anyhow::Error) -> Exit {
    if LOG_IS_JSON.load(Ordering::Relaxed) {
        tracing::error!(exit_code = exit as u8, "{error:#}");
    } else {
        say(&format!("{error:#}"));
    }
    exit
}

/// That nobody listens on standard error is nobody's concern.
fn say(text: &str) {
    writeln!(io::stderr(), "ringtail: {text}").ok();
}
