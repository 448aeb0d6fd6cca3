//! `ringtail dump`.

use super::{DumpArgs, Exit, fail, schema};
use anyhow::Context;
use ringtail::commitlog::Keys;
use ringtail::dump::{self, Archive, Form, Lossless, Readable, Release, Summary};
use ringtail::keystore::Keystore;
use ringtail::schema::Catalog;
use std::io::{self, BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

pub fn run(args: &DumpArgs) -> Exit {
    let catalog = match &args.schema {
        None => Catalog::builtin(),
        Some(file) => match schema::from_file(file) {
            Ok(catalog) => catalog,
            Err(error) => return fail(Exit::Usage, &error),
        },
    };
    let keys = match keys(args) {
        Ok(keys) => keys,
        Err(error) => return fail(Exit::Usage, &error),
    };
    match dump(args, &catalog, &keys) {
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

fn dump(args: &DumpArgs, catalog: &Catalog, keys: &Keys) -> anyhow::Result<Summary> {
    let archives = find(&args.paths)?;
    let release = match args.release {
        Some(release) => release,
        None if args.json => Release::of(&archives, catalog, keys)?,
        None => Release::default(),
    };
    let out = BufWriter::new(io::stdout().lock());
    let mut form: Box<dyn Form> = if args.json { Box::new(Lossless::new(out, release)) } else { Box::new(Readable::new(out)) };
    Ok(dump::dump(&archives, catalog, keys, &mut *form)?)
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
