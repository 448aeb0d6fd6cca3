//! Compares the printed forms of values, where floats are numbers and everything else is text.
//!
//! A number is taken for a float or a double only if its four or eight bytes stand in the serialized value, so a
//! decimal, or a text that looks like a number, is never compared loosely.

/// Whether `found` prints the same value as `expected`; `hex` is the serialized value.
pub fn equal(expected: &str, found: &str, hex: &str) -> bool {
    let (mut expected, mut found) = (Tokens(expected), Tokens(found));
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return true,
            (Some(expected), Some(found)) if token_equal(expected, found, hex) => {}
            _ => return false,
        }
    }
}

fn token_equal(expected: &str, found: &str, hex: &str) -> bool {
    if expected == found || same_float(expected, found, hex) {
        return true;
    }
    // Java's JSON has no NaN and no infinities: it prints null.
    let word = |token: &'_ str| token.trim_matches('"').to_owned();
    if matches!(word(expected).as_str(), "null" | "NaN") && matches!(word(found).as_str(), "null" | "NaN" | "Infinity" | "-Infinity") {
        return true;
    }
    // The key of a map is a string that holds a printed form.
    match (unquoted(expected), unquoted(found)) {
        (Some(expected), Some(found)) => equal(&expected, &found, hex),
        _ => false,
    }
}

fn unquoted(token: &str) -> Option<String> {
    token.starts_with('"').then(|| serde_json::from_str(token).ok()).flatten()
}

fn same_float(expected: &str, found: &str, hex: &str) -> bool {
    let double = |text: &str| text.parse::<f64>().ok().map(|number| format!("{:016x}", number.to_bits()));
    let float = |text: &str| text.parse::<f32>().ok().map(|number| format!("{:08x}", number.to_bits()));
    let same = |a: Option<String>, b: Option<String>| a.is_some() && a == b && a.is_some_and(|bytes| holds(hex, &bytes));
    same(double(expected), double(found)) || same(float(expected), float(found))
}

/// Whether the bytes stand in `hex`, at a whole byte.
fn holds(hex: &str, bytes: &str) -> bool {
    hex.match_indices(bytes).any(|(at, _)| at % 2 == 0)
}

/// Strings with their quotes, runs of what numbers and words are made of, and every other character by itself.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let first = self.0.chars().next()?;
        let in_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let end = match first {
            '"' => string_end(self.0),
            _ if in_word(first) => self.0.find(|c| !in_word(c)).unwrap_or(self.0.len()),
            _ => first.len_utf8(),
        };
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(token)
    }
}

/// Where the string that `text` begins with ends, behind its quote; the whole text if it does not end.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
