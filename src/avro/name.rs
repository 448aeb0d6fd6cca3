//! Names: letters, digits and `_`, no digit first.

use std::fmt::Write;

/// A name that Avro takes: every UTF-16 unit that it does not take is written as `_u` and four hex digits, as Debezium's `avro_unicode`
/// does. Names that Avro takes stay as they are, so a `_u002d` that stands in one has its `_` written that way too: no two names ever
/// become one, whatever columns come and go.
pub fn adjusted(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (at, letter) in name.char_indices() {
        let rest = name.get(at..).unwrap_or_default();
        let is_plain = letter.is_ascii_alphabetic() || (letter.is_ascii_digit() && at > 0) || (letter == '_' && !is_escape(rest));
        if is_plain {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            _ = write!(out, "_u{unit:04x}");
        }
    }
    if out.is_empty() { "_".to_owned() } else { out }
}

/// A name of parts with dots between them, each adjusted.
pub fn adjusted_full(name: &str) -> String {
    name.split('.').map(adjusted).collect::<Vec<_>>().join(".")
}

/// Whether this begins with what an adjusted letter looks like.
fn is_escape(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next() == Some('_') && letters.next() == Some('u') && {
        let digits: Vec<char> = letters.take(4).collect();
        digits.len() == 4 && digits.iter().all(char::is_ascii_hexdigit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_avro_takes_stay() {
        for name in ["order_id", "_x", "A9", "_user", "_u00", "_u00zz"] {
            assert_eq!(adjusted(name), name);
        }
    }

    #[test]
    fn other_letters_are_written_as_their_units() {
        assert_eq!(adjusted("a-b c"), "a_u002db_u0020c");
        assert_eq!(adjusted("1st"), "_u0031st");
        assert_eq!(adjusted("größe"), "gr_u00f6_u00dfe");
        assert_eq!(adjusted("😀"), "_ud83d_ude00");
        assert_eq!(adjusted("_u002d"), "_u005fu002d");
        assert_eq!(adjusted_full("my-shop.ks.1.Value"), "my_u002dshop.ks._u0031.Value");
    }

    proptest! {
        #[test]
        fn no_two_names_become_one(a in "[a_u0-2\\-d.é ]{0,9}", b in "[a_u0-2\\-d.é ]{0,9}") {
            prop_assume!(!a.is_empty() && !b.is_empty());
            prop_assert_eq!(a == b, adjusted(&a) == adjusted(&b), "{} {}", adjusted(&a), adjusted(&b));
        }

        #[test]
        fn every_name_is_one_of_avro(name in any::<String>()) {
            let adjusted = adjusted(&name);
            prop_assert!(adjusted.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_'));
            prop_assert!(!adjusted.starts_with(|letter: char| letter.is_ascii_digit()) && !adjusted.is_empty());
        }
    }
}
