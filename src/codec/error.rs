//! The one error of the codec: where it happened, what was expected, what was found.

use std::fmt;

/// The result of a parser over bytes: the rest of the input and the value, or [`CodecError`] inside nom's envelope
/// ([`CodecError::from_nom`]).
pub type PResult<'a, T> = nom::IResult<&'a [u8], T, CodecError<'a>>;

/// Why some bytes could not be parsed, and the input from there on.
///
/// Keeping the input and not an offset costs nothing on the happy path; [`CodecError::offset_in`]
/// turns it into an offset once somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecError<'a> {
    /// The input at which parsing stopped.
    pub at: &'a [u8],
    /// What was wrong there.
    pub kind: Kind,
}

/// What was wrong. Holds numbers of the format only, never a value of a cell (invariant I9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The input ends too early.
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes needed.
        need: u64,
        /// Bytes left.
        have: u64,
    },
    /// A number that the format does not allow there.
    Invalid {
        /// What was being read.
        what: &'static str,
        /// What the format allows.
        expected: &'static str,
        /// The number found.
        found: i64,
    },
}

impl<'a> CodecError<'a> {
    /// A number that the format does not allow, as an error of a nom parser. `at` is the input where the number stands.
    pub fn invalid(at: &'a [u8], what: &'static str, expected: &'static str, found: i64) -> nom::Err<Self> {
        nom::Err::Error(CodecError { at, kind: Kind::Invalid { what, expected, found } })
    }

    /// The input ended early, as an error of a nom parser: `need` bytes were asked for, and `at` is all there is.
    pub fn truncated(at: &'a [u8], what: &'static str, need: u64) -> nom::Err<Self> {
        nom::Err::Error(CodecError { at, kind: Kind::Truncated { what, need, have: at.len() as u64 } })
    }

    /// The offset of the error in `whole`, of which the parsed input was the tail.
    pub fn offset_in(&self, whole: &[u8]) -> usize {
        whole.len().saturating_sub(self.at.len())
    }

    /// Unwraps nom's envelope. Our parsers are complete ones, so `Incomplete` does not occur.
    pub fn from_nom(error: nom::Err<Self>) -> Self {
        match error {
            nom::Err::Error(e) | nom::Err::Failure(e) => e,
            nom::Err::Incomplete(_) => CodecError { at: &[], kind: Kind::Truncated { what: "input", need: 1, have: 0 } },
        }
    }
}

impl<'a> nom::error::ParseError<&'a [u8]> for CodecError<'a> {
    fn from_error_kind(at: &'a [u8], _: nom::error::ErrorKind) -> Self {
        CodecError { at, kind: Kind::Truncated { what: "input", need: at.len() as u64 + 1, have: at.len() as u64 } }
    }

    fn append(_: &'a [u8], _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Truncated { what, need, have } => write!(f, "{what} is cut short: expected {need} bytes, found {have}"),
            Kind::Invalid { what, expected, found } => write!(f, "invalid {what}: expected {expected}, found {found}"),
        }
    }
}
