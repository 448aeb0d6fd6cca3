//! `ringtail dump`.

use super::{Exit, fail, keystore_type, release, schema_file};
use anyhow::Context;
use clap::{Args, ValueEnum};
use ringtail::commitlog::Keys;
use ringtail::config::TablePattern;
use ringtail::dump::{self, Archive, Filter, Form, Look, Lossless, Readable, Release, Stats, Summary};
use ringtail::history::{Additive, BEGINNING, History, Source};
use ringtail::keystore::{Keystore, KeystoreType};
use ringtail::position::{CommitLogPosition, LogicalPosition};
use std::io::{self, BufWriter, ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct DumpArgs {
    /// Segments, tars of segments, or folders of segments; all may be compressed, as .zst or .gz. - is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// JSON Lines with every field, in the form of Cassandra's own reader; with --stats one object
    #[arg(long, conflicts_with = "raw")]
    json: bool,
    /// Show headers, sections with their markers, and entries with offsets and checksums too
    #[arg(long)]
    raw: bool,
    /// Show numbers only: tables, sections, damage, and where every byte is
    #[arg(long, conflicts_with = "raw")]
    stats: bool,
    /// Only this table; * stands for any letters, as ks.*. Repeat for more
    #[arg(long, value_name = "KS.TABLE", value_parser = table, help_heading = "Filters")]
    filter: Vec<TablePattern>,
    /// Only this partition key, as lines show it; the parts of a composite one joined as a:b. Repeat for more
    #[arg(long, value_name = "TEXT", help_heading = "Filters", allow_hyphen_values = true)]
    key: Vec<String>,
    /// Only from this position on, as 1795374647657:55833, or from this segment on
    #[arg(long, value_name = "SEGMENT[:POS]", value_parser = from, help_heading = "Filters")]
    from: Option<CommitLogPosition>,
    /// Only up to this position, or to the end of this segment
    #[arg(long, value_name = "SEGMENT[:POS]", value_parser = to, help_heading = "Filters")]
    to: Option<CommitLogPosition>,
    /// Only mutations whose newest write time is this or later: ISO 8601, as 2026-11-22T19:10Z (UTC if it does not say), or a number since
    /// 1970 with its unit, as 1795374652s, ms or us (without one, up to 11 digits are s, up to 14 ms, more us)
    #[arg(long, value_name = "TIME", value_parser = moment, help_heading = "Filters", allow_hyphen_values = true)]
    since: Option<i64>,
    /// Only mutations whose newest write time is this or earlier
    #[arg(long, value_name = "TIME", value_parser = moment, help_heading = "Filters", allow_hyphen_values = true)]
    until: Option<i64>,
    /// Colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
    /// The schema: CQL as DESCRIBE … WITH INTERNALS prints it, or the rows of system_schema as JSON. Without it each mutation
    /// is decoded with what the log has told until there: tables whose CREATE stands in it are known
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Keystore with the keys of encrypted segments: JCEKS or PKCS12
    #[arg(long, value_name = "FILE", requires = "keystore_password_file")]
    keystore: Option<PathBuf>,
    /// File with the password of the keystore and of its keys
    #[arg(long, value_name = "FILE", requires = "keystore")]
    keystore_password_file: Option<PathBuf>,
    /// File with the password of the keys, where it is another one
    #[arg(long, value_name = "FILE", requires = "keystore")]
    key_password_file: Option<PathBuf>,
    /// What the keystore must be: jceks, jks or pkcs12. Without it the file says so itself
    #[arg(long, value_name = "TYPE", requires = "keystore", value_parser = keystore_type)]
    keystore_type: Option<KeystoreType>,
    /// Release whose reader --json repeats, as 4.1 or 5.0. Without it the log is asked: descriptor version 7 is written by 4.0, 4.1 and
    /// 5.0, and from 5.0 on "no deletion time" is another number
    #[arg(long, value_name = "VERSION", value_parser = release)]
    release: Option<Release>,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

pub fn run(args: &DumpArgs) -> Exit {
    let mut history = History::new(args.schema.is_none());
    if let Some(file) = &args.schema {
        match schema_file::read(file) {
            Ok(reading) => history.take(Source::File, &reading, BEGINNING, Additive::NotInLog),
            Err(error) => return fail(Exit::Usage, &error),
        }
    }
    let keys = match keys(args) {
        Ok(keys) => keys,
        Err(error) => return fail(Exit::Usage, &error),
    };
    match dump(args, &mut history, &keys) {
        Ok(summary) if summary.is_whole() => Exit::Done,
        Ok(_) => Exit::Data,
        // The reader of our output has seen enough.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) => Exit::Done,
        Err(error) => fail(Exit::Io, &error),
    }
}

/// The segments under the paths, of which there must be some.
pub fn find(paths: &[PathBuf]) -> anyhow::Result<Vec<Archive>> {
    let archives = dump::find(paths).context("cannot list segments")?;
    let places: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    anyhow::ensure!(!archives.is_empty(), "no segments in {}: expected files named CommitLog-<version>-<id>.log", places.join(", "));
    Ok(archives)
}

fn dump(args: &DumpArgs, history: &mut History, keys: &Keys) -> anyhow::Result<Summary> {
    let archives = find(&args.paths)?;
    let out = BufWriter::new(io::stdout().lock());
    let mut form: Box<dyn Form> = if args.stats {
        Box::new(Stats::new(out, args.json, look(args.color)))
    } else if args.json {
        let release = args.release.map_or_else(|| Release::of(&archives, &history.latest(), keys), Ok)?;
        Box::new(Lossless::new(out, release))
    } else {
        Box::new(Readable::new(out).look(look(args.color)).raw(args.raw))
    };
    Ok(dump::dump(&archives, history, keys, &filter(args), &mut *form)?)
}

fn filter(args: &DumpArgs) -> Filter {
    Filter { tables: args.filter.clone(), keys: args.key.clone(), from: args.from, to: args.to, since: args.since, until: args.until }
}

/// `auto` asks `NO_COLOR`, `CLICOLOR` and `TERM` too, but nothing in the environment puts colours into a pipe.
fn look(color: Color) -> Look {
    let stdout = io::stdout();
    let wanted = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => stdout.is_terminal() && anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never,
    };
    if wanted { Look::coloured() } else { Look::default() }
}

fn table(text: &str) -> Result<TablePattern, String> {
    TablePattern::parse(text).ok_or_else(|| "expected keyspace.table, as ks.orders or ks.*".to_owned())
}

fn from(text: &str) -> Result<CommitLogPosition, String> {
    bound(text, LogicalPosition(0))
}

fn to(text: &str) -> Result<CommitLogPosition, String> {
    bound(text, LogicalPosition(u32::MAX))
}

fn bound(text: &str, alone: LogicalPosition) -> Result<CommitLogPosition, String> {
    let expected = "expected a segment's id or file name, alone or with a position, as 1795374647657 or 1795374647657:55833";
    dump::parse_bound(text, alone).ok_or_else(|| expected.to_owned())
}

fn moment(text: &str) -> Result<i64, String> {
    let expected =
        "expected ISO 8601, as 2026-11-22 or 2026-11-22T19:10:52.5Z, or a number since 1970, as 1795374652s, 1795374652500ms or us";
    dump::parse_moment(text).ok_or_else(|| expected.to_owned())
}

/// The keys that the arguments name, of encrypted segments.
fn keys(args: &DumpArgs) -> anyhow::Result<Keys> {
    let (Some(path), Some(password)) = (&args.keystore, &args.keystore_password_file) else { return Ok(Keys::NONE) };
    let keystore = Keystore {
        path: path.clone(),
        kind: args.keystore_type,
        store_password: password_in(password)?,
        key_password: args.key_password_file.as_deref().map(password_in).transpose()?,
    };
    keystore.load().with_context(|| format!("cannot open keystore {}", path.display()))
}

/// A password file ends with a line break that is not part of it.
fn password_in(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
