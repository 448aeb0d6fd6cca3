//! JSON strings and hexadecimal digits.

/// Appends `text` as a JSON string, quotes included.
///
/// The escapes are Jackson's, as Cassandra prints them: the short ones, `\u001F` with capitals for other
/// control characters, nothing else.
pub fn json_string(text: &str, out: &mut String) {
    out.reserve(text.len() + 2);
    out.push('"');
    escape(text, out);
    out.push('"');
}

/// Appends `text` as it stands between the quotes of a JSON string.
pub(super) fn escape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        let mut characters = tail.chars();
        if let Some(character) = characters.next() {
            escape_one(character, out);
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

fn escape_one(character: char, out: &mut String) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        other => {
            out.push_str("\\u00");
            out.push(digit(other as u8 >> 4).to_ascii_uppercase());
            out.push(digit(other as u8).to_ascii_uppercase());
        }
    }
}

/// Appends `bytes` as lower-case hexadecimal digits, without `0x` (`Hex.bytesToHex`).
pub fn hex(bytes: &[u8], out: &mut String) {
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(*byte));
    }
}

/// The hexadecimal digit of the lower four bits.
fn digit(nibble: u8) -> char {
    match nibble & 0xf {
        low @ 0..=9 => (b'0' + low) as char,
        high => (b'a' + high - 10) as char,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn unhex(digits: &str) -> Vec<u8> {
        assert!(digits.len().is_multiple_of(2));
        (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
    }

    fn quoted(text: &str) -> String {
        let mut out = String::new();
        json_string(text, &mut out);
        out
    }

    #[test]
    fn strings_are_escaped_as_jackson_does() {
        assert_eq!(quoted("\"\t\n\r\\/\u{1f}\0\u{8}\u{c}\u{7f}"), r#""\"\t\n\r\\/\u001F\u0000\b\f"#.to_owned() + "\u{7f}\"");
        assert_eq!(quoted("\u{2028}🙂\u{ffff}"), "\"\u{2028}🙂\u{ffff}\"");
        assert_eq!(quoted(""), "\"\"");
    }

    #[test]
    fn hex_is_lower_case() {
        let mut out = String::new();
        hex(&[0x00, 0x9a, 0xff], &mut out);

        assert_eq!(out, "009aff");
        assert_eq!(unhex(&out), [0x00, 0x9a, 0xff]);
    }

    proptest! {
        #[test]
        fn any_string_comes_back_from_its_json(text: String) {
            prop_assert_eq!(serde_json::from_str::<String>(&quoted(&text)).unwrap(), text);
        }
    }
}
