//! Where a command's catalog comes from.

use super::complain;
use anyhow::Context;
use ringtail::config::Config;
use ringtail::schema::{self, Catalog};
use std::path::Path;

/// The tables of the configured schema file, if there is one.
pub fn configured(config: &Config) -> anyhow::Result<Option<Catalog>> {
    config.schema.file.as_deref().map(from_file).transpose()
}

/// The tables of a schema file, over the built-in ones of the system.
pub fn from_file(path: &Path) -> anyhow::Result<Catalog> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read schema file {}", path.display()))?;
    let loaded = schema::file::load(&text).with_context(|| format!("cannot use schema file {}", path.display()))?;
    for problem in &loaded.problems {
        complain(&format!("schema file {}: {problem}", path.display()));
    }
    for table in &loaded.without_id {
        let (keyspace, name) = (table.keyspace(), table.name());
        complain(&format!(
            "schema file {}: table {keyspace}.{name} has no ID, so its mutations are not recognised: expected WITH ID = …, as DESCRIBE … WITH \
             INTERNALS prints it",
            path.display()
        ));
    }
    Ok(Catalog::from_loaded(&loaded))
}
