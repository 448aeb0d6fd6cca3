//! Where a command's catalog comes from.

use super::complain;
use anyhow::Context;
use ringtail::config::Config;
use ringtail::history::Reading;
use ringtail::schema::{self, Catalog, LoadedSchema};
use std::path::Path;

/// What the configured schema file says, if there is one.
pub fn configured(config: &Config) -> anyhow::Result<Option<Reading>> {
    config.schema.file.as_deref().map(read).transpose()
}

/// The tables of a schema file, over the built-in ones of the system, and its rows.
pub fn read(path: &Path) -> anyhow::Result<Reading> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read schema file {}", path.display()))?;
    let rows = schema::file::rows(&text).with_context(|| format!("cannot use schema file {}", path.display()))?;
    let loaded = LoadedSchema::from(&rows);
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
    Ok(Reading::new(Catalog::from_loaded(&loaded), rows))
}
