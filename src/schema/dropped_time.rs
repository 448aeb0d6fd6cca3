//! The text of a timestamp in `SELECT JSON`: `2026-11-22 16:37:04.278Z`, `+294247-01-10 04:00:54.775Z`.
//!
//! System tables have columns dropped at the end of time, which lies beyond the years that calendar
//! libraries know; hence our own arithmetic (proleptic Gregorian, all of `i64` milliseconds).
//!
//! Cassandra: `TimestampSerializer.toStringUTC`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

const MS_PER_DAY: i64 = 86_400_000;
/// Days from 1 March of year 0 to 1 January 1970.
const EPOCH_DAY: i64 = 719_468;
/// Days in 400 years.
const ERA_DAYS: i64 = 146_097;

/// Milliseconds since 1970; `None` if the text is no time of this form or does not fit.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let (negative, digits) = match date.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, date.strip_prefix('+').unwrap_or(date)),
    };
    let [year, month, day] = numbers(digits, '-')?;
    let (clock, fraction) =
        time.strip_suffix('Z').or_else(|| time.strip_suffix("+0000"))?.split_once('.').unwrap_or((time.strip_suffix('Z')?, ""));
    let [hour, minute, second] = numbers(clock, ':')?;
    let ms = if fraction.is_empty() { 0 } else { number(fraction)? };
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60 && fraction.len() <= 3;
    if !valid || year > 300_000_000 {
        return None;
    }

    let scale = [1, 100, 10, 1].get(fraction.len())?;
    let days = days_from_civil(if negative { -year } else { year }, month, day);
    let within_day = ((hour * 60 + minute) * 60 + second) * 1000 + ms * scale;
    i64::try_from(i128::from(days) * i128::from(MS_PER_DAY) + i128::from(within_day)).ok()
}

/// The text of a time in milliseconds since 1970.
pub(super) fn print(ms: i64) -> String {
    let (year, month, day) = civil_from_days(ms.div_euclid(MS_PER_DAY));
    let within_day = ms.rem_euclid(MS_PER_DAY);
    let (second, ms) = (within_day / 1000, within_day % 1000);
    let sign = match year {
        ..0 => "-",
        0..=9999 => "",
        _ => "+",
    };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{sign}{:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{ms:03}Z", year.unsigned_abs())
}

/// Three numbers between separators.
fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(number);
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

fn number(digits: &str) -> Option<i64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

/// Days since 1970 of a date. Years begin in March, so that the leap day is the last of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year.div_euclid(400) * ERA_DAYS + day_of_era - EPOCH_DAY
}

/// The date of a day since 1970.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH_DAY;
    let day_of_era = days.rem_euclid(ERA_DAYS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / (ERA_DAYS - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + days.div_euclid(ERA_DAYS) * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * month_from_march + 2) / 5 + 1)
}

pub(super) fn serialize<S: Serializer>(ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&print(*ms))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| D::Error::custom(format!("dropped_time: expected a time like 2026-11-22 16:37:04.278Z, found {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_as_cassandra_prints_them() {
        for (text, ms) in [
            ("2026-11-22 16:37:04.278Z", 1_795_365_424_278),
            ("1970-01-01 00:00:00.000Z", 0),
            ("1969-12-31 23:59:59.999Z", -1),
            ("2024-02-29 12:00:00.000Z", 1_709_208_000_000),
            ("+294247-01-10 04:00:54.775Z", i64::MAX / 1000),
        ] {
            assert_eq!(parse(text), Some(ms), "{text}");
            assert_eq!(print(ms), text);
        }
        assert_eq!(parse("2024-02-29 12:00:00Z"), Some(1_709_208_000_000));
        assert_eq!(parse("2024-02-29T12:00:00.5Z"), Some(1_709_208_000_500));
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in
            ["", "now", "2024-02-29", "2024-13-01 00:00:00.000Z", "2024-02-29 24:00:00.000Z", "2024-02-29 12:00:00.0000Z", "--1-1-1 0:0:0Z"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_is_read_back(ms: i64) {
            prop_assert_eq!(parse(&print(ms)), Some(ms));
        }

        #[test]
        fn i6_no_text_makes_the_time_parser_panic(text in "[-+]?[0-9]{0,20}-[0-9]{0,3}-[0-9]{0,3} [0-9:.Z]{0,20}") {
            parse(&text);
        }
    }
}
