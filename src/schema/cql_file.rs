//! A schema file in CQL: what `DESCRIBE … WITH INTERNALS` prints, what drivers print, what people write.

use super::cursor::Cursor;
use super::file::SchemaFileError;
use super::rows::SchemaRows;
use super::script::Script;
use super::statement::statement;
use super::token::{Token, tokens};
use std::collections::HashMap;
use uuid::Uuid;

/// The rows of `system_schema` that a node would hold after these statements.
pub(super) fn rows(text: &str) -> Result<SchemaRows, SchemaFileError> {
    let found = tokens(text)?;
    let mut script = Script::default();
    for words in found.tokens.split(|word| word.token == Token::Symbol(';')).filter(|words| !words.is_empty()) {
        let mut at = Cursor::new(text, words);
        if let Some((name, statement)) = statement(&mut at)? {
            let at = Cursor::new(text, words);
            script.apply(name, statement).map_err(|expected| at.expected(&expected))?;
        }
    }
    Ok(script.into_rows(&ids(&found.ids)))
}

/// The ids out of comments; one that is no UUID was a comment about something else.
fn ids(comments: &[(String, &str)]) -> HashMap<String, Uuid> {
    comments.iter().filter_map(|(table, id)| Some((table.clone(), Uuid::try_parse(id).ok()?))).collect()
}
