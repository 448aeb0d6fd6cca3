//! The words of a CQL file: names, texts, symbols; comments are left out.
//!
//! Two comments are not left out. `DESCRIBE` hides a COMPACT STORAGE table in one, because CQL cannot create
//! it any more, but its definition is good:
//!
//! ```text
//! /*
//! Warning: Table ks.t omitted because it has constructs not compatible with CQL (was created via legacy API).
//! …
//! CREATE TABLE ks.t (…) WITH COMPACT STORAGE …;
//! */
//! ```
//!
//! And `-- ID ks.t = UUID` tells the id of a table where CQL has no place for it (3.11).
//!
//! Cassandra: `Lexer.g`, `TableMetadata.appendCqlTo`.

use super::file::SchemaFileError;
use std::borrow::Cow;
use std::ops::Range;

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword, a name without quotes or a number, as written.
    Word(&'a str),
    /// A name that stood in double quotes, without them.
    Name(Cow<'a, str>),
    /// A text that stood in single quotes or between `$$`.
    Text,
    /// Anything else, one character at a time.
    Symbol(char),
}

/// A word and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Spanned<'a> {
    pub(super) token: Token<'a>,
    pub(super) span: Range<usize>,
}

/// What a file consists of.
#[derive(Debug, Default)]
pub(super) struct Tokens<'a> {
    pub(super) tokens: Vec<Spanned<'a>>,
    /// What the comments `-- ID ks.t = UUID` say: `ks.t` without quotes, and the id as text.
    pub(super) ids: Vec<(String, &'a str)>,
}

/// The line, from 1, in which the byte at `at` stands.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

/// Cuts a file into its words.
pub(super) fn tokens(text: &str) -> Result<Tokens<'_>, SchemaFileError> {
    let mut found = Tokens::default();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let start = text.len() - rest.len();
        let unclosed = |what: &'static str| SchemaFileError::Cql {
            line: line_of(text, start),
            expected: what.to_owned(),
            found: "the end of the file".to_owned(),
        };
        let Some(first) = rest.chars().next() else { return Ok(found) };
        if let Some(comment) = rest.strip_prefix("--").or_else(|| rest.strip_prefix("//")) {
            let (line, behind) = comment.split_once('\n').unwrap_or((comment, ""));
            found.ids.extend(id_comment(line));
            rest = behind;
            continue;
        }
        if let Some(comment) = rest.strip_prefix("/*") {
            let (body, behind) = comment.split_once("*/").ok_or_else(|| unclosed("*/"))?;
            rest = omitted_table(body).and_then(|at| comment.get(at..)).unwrap_or(behind);
            continue;
        }
        // The end of a comment out of which a table was taken.
        if let Some(behind) = rest.strip_prefix("*/") {
            rest = behind;
            continue;
        }

        let (token, behind) = match first {
            '"' => quoted(rest, '"').map(|(name, behind)| (Token::Name(name), behind)).ok_or_else(|| unclosed("a closing double quote"))?,
            '\'' => quoted(rest, '\'').map(|(_, behind)| (Token::Text, behind)).ok_or_else(|| unclosed("a closing quote"))?,
            '$' if rest.starts_with("$$") => dollars(rest).map(|behind| (Token::Text, behind)).ok_or_else(|| unclosed("closing $$"))?,
            _ => word_or_symbol(rest, first),
        };
        found.tokens.push(Spanned { token, span: start..text.len() - behind.len() });
        rest = behind;
    }
}

fn word_or_symbol(rest: &str, first: char) -> (Token<'_>, &str) {
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    match rest.split_at_checked(end) {
        Some((word, behind)) if !word.is_empty() => (Token::Word(word), behind),
        _ => (Token::Symbol(first), rest.get(first.len_utf8()..).unwrap_or_default()),
    }
}

/// What stands between two quotes, a doubled one meaning itself, and what follows.
fn quoted(rest: &str, quote: char) -> Option<(Cow<'_, str>, &str)> {
    let inner = rest.get(1..)?;
    let mut from = 0;
    loop {
        let at = from + inner.get(from..)?.find(quote)?;
        if !inner.get(at + 1..)?.starts_with(quote) {
            let text = inner.get(..at)?;
            let doubled = [quote, quote].iter().collect::<String>();
            let text = if text.contains(quote) { text.replace(&doubled, &quote.to_string()).into() } else { text.into() };
            return Some((text, inner.get(at + 1..)?));
        }
        from = at + 2;
    }
}

/// What follows the second `$$`.
fn dollars(rest: &str) -> Option<&str> {
    Some(rest.get(2..)?.split_once("$$")?.1)
}

/// Where in a comment the definition of a table stands that was put there because CQL cannot create it.
fn omitted_table(comment: &str) -> Option<usize> {
    let warning = comment.trim_start().lines().next()?;
    if !warning.starts_with("Warning: Table ") || !warning.contains(" omitted") {
        return None;
    }
    Some(comment.find("\nCREATE TABLE")? + 1)
}

/// ` ID ks.t = UUID`.
fn id_comment(comment: &str) -> Option<(String, &str)> {
    let (table, id) = comment.trim().strip_prefix("ID ")?.rsplit_once('=')?;
    Some((table.trim().replace('"', ""), id.trim()))
}
