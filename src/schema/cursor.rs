//! A place among the words of one CQL statement, and the small questions that a parser asks there.

use super::file::SchemaFileError;
use super::token::{Spanned, Token, line_of};

/// The words of one statement, read from the front.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    /// The whole file, for lines and for slices of it.
    text: &'a str,
    rest: &'a [Spanned<'a>],
    /// Where the statement ends in the file.
    end: usize,
    /// Where the last word that was passed ends.
    passed: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor before the first word of a statement.
    pub(super) fn new(text: &'a str, statement: &'a [Spanned<'a>]) -> Self {
        Cursor { text, rest: statement, end: statement.last().map_or(text.len(), |word| word.span.end), passed: 0 }
    }

    fn token(&self) -> Option<&'a Token<'a>> {
        self.rest.first().map(|word| &word.token)
    }

    fn advance(&mut self) {
        if let Some((word, rest)) = self.rest.split_first() {
            self.passed = word.span.end;
            self.rest = rest;
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Where the next word begins in the file.
    fn offset(&self) -> usize {
        self.rest.first().map_or(self.end, |word| word.span.start)
    }

    /// The line of the next word.
    pub(super) fn line(&self) -> usize {
        line_of(self.text, self.offset())
    }

    /// The error that something else should stand here.
    pub(super) fn expected(&self, what: &str) -> SchemaFileError {
        let found = match self.rest.first() {
            // A text may be data, and data is not repeated.
            Some(Spanned { token: Token::Text, .. }) => "a text".to_owned(),
            Some(word) => self.text.get(word.span.clone()).unwrap_or_default().to_owned(),
            None => "the end of the statement".to_owned(),
        };
        SchemaFileError::Cql { line: self.line(), expected: what.to_owned(), found }
    }

    /// Whether the next words are these keywords.
    pub(super) fn is_at(&self, keywords: &[&str]) -> bool {
        let is = |(index, keyword): (usize, &&str)| {
            let word = self.rest.get(index).map(|word| &word.token);
            matches!(word, Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword))
        };
        keywords.iter().enumerate().all(is)
    }

    /// Passes these keywords if they come next.
    pub(super) fn take(&mut self, keywords: &[&str]) -> bool {
        let found = self.is_at(keywords);
        if found {
            keywords.iter().for_each(|_| self.advance());
        }
        found
    }

    /// Passes these keywords.
    pub(super) fn keywords(&mut self, keywords: &[&str]) -> Result<(), SchemaFileError> {
        if self.take(keywords) { Ok(()) } else { Err(self.expected(&keywords.join(" "))) }
    }

    /// Whether this symbol comes next.
    pub(super) fn is_at_symbol(&self, symbol: char) -> bool {
        self.token() == Some(&Token::Symbol(symbol))
    }

    /// Passes this symbol if it comes next.
    pub(super) fn take_symbol(&mut self, symbol: char) -> bool {
        let found = self.is_at_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    /// Passes this symbol.
    pub(super) fn symbol(&mut self, symbol: char) -> Result<(), SchemaFileError> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.expected(&symbol.to_string())) }
    }

    /// A name without its quotes; without quotes it is in lower case.
    pub(super) fn name(&mut self) -> Result<String, SchemaFileError> {
        let name = match self.token() {
            Some(Token::Word(word)) => word.to_ascii_lowercase(),
            Some(Token::Name(name)) => name.clone().into_owned(),
            _ => return Err(self.expected("a name")),
        };
        self.advance();
        Ok(name)
    }

    /// `item { "," item }`.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, SchemaFileError>) -> Result<Vec<T>, SchemaFileError> {
        let mut items = vec![item(self)?];
        while self.take_symbol(',') {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `"(" item { "," item } ")"`.
    pub(super) fn in_parentheses<T>(
        &mut self,
        item: impl FnMut(&mut Self) -> Result<T, SchemaFileError>,
    ) -> Result<Vec<T>, SchemaFileError> {
        self.symbol('(')?;
        let items = self.list(item)?;
        self.symbol(')')?;
        Ok(items)
    }

    /// The name of a type, as it stands in the file.
    pub(super) fn type_name(&mut self) -> Result<&'a str, SchemaFileError> {
        let start = self.offset();
        if matches!(self.token(), None | Some(Token::Symbol(_))) {
            return Err(self.expected("a type"));
        }
        self.advance();
        if self.take_symbol('.') {
            self.name()?;
        }
        if self.take_symbol('<') {
            let mut open = 1;
            while open > 0 {
                match self.token() {
                    Some(Token::Symbol('<')) => open += 1,
                    Some(Token::Symbol('>')) => open -= 1,
                    Some(Token::Symbol(',' | '.') | Token::Word(_) | Token::Name(_) | Token::Text) => {}
                    _ => return Err(self.expected(">")),
                }
                self.advance();
            }
        }
        Ok(self.since(start))
    }

    /// Passes everything up to one of these keywords, or a comma or closing bracket, that stands outside brackets,
    /// and returns it as it stands in the file.
    pub(super) fn skip_until(&mut self, keywords: &[&str]) -> &'a str {
        let start = self.offset();
        let mut open = 0usize;
        while let Some(token) = self.token() {
            match token {
                Token::Symbol('(' | '[' | '{') => open += 1,
                Token::Symbol(')' | ']' | '}' | ',') if open == 0 => break,
                Token::Symbol(')' | ']' | '}') => open -= 1,
                Token::Word(_) if open == 0 && keywords.iter().any(|keyword| self.is_at(&[keyword])) => break,
                _ => {}
            }
            self.advance();
        }
        self.since(start)
    }

    /// Passes everything up to these keywords.
    pub(super) fn skip_to(&mut self, keywords: &[&str]) {
        while !self.is_at_end() && !self.is_at(keywords) {
            self.advance();
        }
    }

    /// The file from `start` to the end of the last word that was passed.
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.passed).unwrap_or_default()
    }
}
