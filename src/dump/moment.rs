//! Points in time, as people write them and as lines show them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

/// Without a unit a number below this is one of seconds (to the year 5138) …
const SECONDS_BELOW: u64 = 100_000_000_000;
/// … below this of milliseconds, and above it of microseconds (both from March 1973).
const MILLIS_BELOW: u64 = 100_000_000_000_000;

/// Reads a point in time, as µs since 1970, which is what write times are.
///
/// Either ISO 8601: a date, or a date and a time to the minute, the second or a part of it, in UTC unless an offset follows. Or a whole
/// number since 1970 with its unit, `s`, `ms` or `us`; without a unit its size tells: up to 11 digits are seconds, 12 to 14 milliseconds,
/// more are microseconds.
///
/// ```
/// use ringtail::dump::parse_moment;
///
/// let moment = Some(1_795_374_652_500_000);
/// assert_eq!(parse_moment("2026-11-22T19:10:52.5Z"), moment);
/// assert_eq!(parse_moment("2026-11-22T20:10:52.5+01:00"), moment);
/// assert_eq!(parse_moment("1795374652500"), moment);
/// assert_eq!(parse_moment("yesterday"), None);
/// ```
pub fn parse_moment(text: &str) -> Option<i64> {
    number(text).or_else(|| iso(text))
}

fn number(text: &str) -> Option<i64> {
    let digits = text.trim_start_matches('-');
    let unit = digits.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let micros = match (unit, number.unsigned_abs()) {
        ("s", _) | ("", ..SECONDS_BELOW) => 1_000_000,
        ("ms", _) | ("", ..MILLIS_BELOW) => 1_000,
        ("us" | "µs" | "", _) => 1,
        _ => return None,
    };
    number.checked_mul(micros)
}

fn iso(text: &str) -> Option<i64> {
    let text = text.replacen(' ', "T", 1);
    if let Ok(day) = NaiveDate::parse_from_str(&text, "%Y-%m-%d") {
        return Some(day.and_time(NaiveTime::MIN).and_utc().timestamp_micros());
    }
    let text = text.strip_suffix(['Z', 'z']).map_or(text.clone(), |utc| format!("{utc}+00:00"));
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"].iter().find_map(|form| {
        let local = NaiveDateTime::parse_from_str(&text, form).map(|utc| utc.and_utc().timestamp_micros());
        local.or_else(|_| DateTime::parse_from_str(&text, &format!("{form}%z")).map(|at| at.timestamp_micros())).ok()
    })
}

/// A write time as lines show it: `2026-11-22T19:10:52.727579Z`. Writers choose these times, so one can lie beyond any calendar: then it is
/// its number.
pub(super) fn show(micros: i64) -> String {
    match DateTime::from_timestamp_micros(micros) {
        Some(at) => at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        None => micros.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_8601_is_utc_unless_an_offset_follows() {
        for (text, micros) in [
            ("1970-01-02", 86_400_000_000),
            ("1970-01-01T00:01", 60_000_000),
            ("1970-01-01T00:01Z", 60_000_000),
            ("1970-01-01 00:01:02", 62_000_000),
            ("1970-01-01T00:01:02.000003Z", 62_000_003),
            ("1970-01-01T02:01:02+02:00", 62_000_000),
            ("1970-01-01T02:01+0200", 60_000_000),
            ("1969-12-31T23:59:59Z", -1_000_000),
        ] {
            assert_eq!(parse_moment(text), Some(micros), "{text}");
        }
    }

    #[test]
    fn a_number_without_a_unit_has_the_unit_of_its_size() {
        for (text, micros) in [
            ("0", 0),
            ("99999999999", 99_999_999_999_000_000),
            ("100000000000", 100_000_000_000_000),
            ("1795374652727", 1_795_374_652_727_000),
            ("99999999999999", 99_999_999_999_999_000),
            ("100000000000000", 100_000_000_000_000),
            ("1795374652727579", 1_795_374_652_727_579),
            ("5s", 5_000_000),
            ("5ms", 5_000),
            ("5us", 5),
            ("-5s", -5_000_000),
        ] {
            assert_eq!(parse_moment(text), Some(micros), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in ["", "now", "2026-13-01", "2026-11-22T", "2026-11-22T25:00", "5m", "1.5s", "--5", "9223372036854775807s", "22:04"] {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_beyond_any_calendar_is_shown_as_its_number() {
        assert_eq!(show(1_795_374_652_727_579), "2026-11-22T19:10:52.727579Z");
        assert_eq!(show(i64::MAX), "9223372036854775807");
    }
}
