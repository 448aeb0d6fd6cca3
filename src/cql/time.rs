//! Timestamps, dates, times and durations as text.
//!
//! The calendar covers every 64-bit number of milliseconds and every 32-bit number of days, which no
//! calendar crate does.

use super::number::integer;
use super::select_json::SelectStyle;

const MS_PER_DAY: i64 = 86_400_000;
/// 1582-10-15, the first day of the Gregorian calendar, in ms: before it 3.x prints Julian dates.
const GREGORIAN_FROM_MS: i64 = -12_219_292_800_000;

/// A day of a calendar; the year may be 0 or negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    year: i64,
    month: i64,
    day: i64,
}

/// The day of the Gregorian calendar, extended to all times, that is `days` after 1970-01-01.
fn gregorian(days: i64) -> Day {
    // Counted from 0000-03-01, so that the leap day is the last of its year and 400 years repeat.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    from_march(year_of_era + era * 400, of_year)
}

/// The day of the Julian calendar that is `days` after the Gregorian 1970-01-01.
fn julian(days: i64) -> Day {
    let days = days + 719_470;
    let era = days.div_euclid(1_461);
    let of_era = days.rem_euclid(1_461);
    let year_of_era = (of_era - of_era / 1_460) / 365;
    from_march(year_of_era + era * 4, of_era - 365 * year_of_era)
}

/// A day given by a year that begins in March and the day of that year, from 0.
fn from_march(year: i64, of_year: i64) -> Day {
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, year) } else { (month - 9, year + 1) };
    Day { year, month, day }
}

/// Appends a timestamp, in ms since 1970, as `SELECT JSON` prints it: `2024-02-29 12:34:56.789Z`.
///
/// Years are of their era, so 1 BC and AD 1 look alike. 4.0 and later put a + before years above 9999.
pub(super) fn timestamp(ms: i64, separator: char, style: SelectStyle, out: &mut String) {
    let (days, of_day) = (ms.div_euclid(MS_PER_DAY), ms.rem_euclid(MS_PER_DAY));
    let old = style == SelectStyle::Cassandra3;
    let Day { year, month, day } = if old && ms < GREGORIAN_FROM_MS { julian(days) } else { gregorian(days) };
    let year_of_era = if year > 0 { year } else { 1 - year };
    if year_of_era > 9_999 && !old {
        out.push('+');
    }
    padded(year_of_era, 4, out);
    for (mark, number, width) in [
        ('-', month, 2),
        ('-', day, 2),
        (separator, of_day / 3_600_000, 2),
        (':', of_day / 60_000 % 60, 2),
        (':', of_day / 1_000 % 60, 2),
        ('.', of_day % 1_000, 3),
    ] {
        out.push(mark);
        padded(number, width, out);
    }
    out.push('Z');
}

/// Appends a date, in days since 1970: `-5877641-06-23`, `0000-01-02`, `+10000-01-01` (`LocalDate.toString`).
pub(super) fn date(days: i32, style: SelectStyle, out: &mut String) {
    let Day { year, month, day } = gregorian(i64::from(days));
    if year < 0 {
        out.push('-');
    } else if year > 9_999 && style == SelectStyle::Cassandra4 {
        out.push('+');
    }
    padded(year.abs(), 4, out);
    out.push('-');
    padded(month, 2, out);
    out.push('-');
    padded(day, 2, out);
}

/// Appends a time, in ns since midnight: `12:34:56.789000000`. Other numbers come out as Java's
/// remainders make them (`TimeSerializer.toString`).
pub(super) fn time(nanos: i64, out: &mut String) {
    let seconds = nanos / 1_000_000_000;
    for (number, width, mark) in [
        (seconds / 3_600 % 24, 2, ":"),
        (seconds / 60 % 60, 2, ":"),
        (seconds % 60, 2, "."),
        (nanos / 1_000_000 % 1_000, 3, ""),
        (nanos / 1_000 % 1_000, 3, ""),
        (nanos % 1_000, 3, ""),
    ] {
        padded(number, width, out);
        out.push_str(mark);
    }
}

/// Appends a duration as a CQL literal: `-1y2mo3d4h5m6s7ms8us9ns`, `0s` for none.
pub(super) fn duration(months: i32, days: i32, nanos: i64, out: &mut String) {
    if (months, days, nanos) == (0, 0, 0) {
        out.push_str("0s");
        return;
    }
    sign(months, days, nanos, out);
    units(months.unsigned_abs(), days.unsigned_abs(), nanos.unsigned_abs(), out);
}

/// Appends a duration as `Duration.toString` does: no text at all for none, and none for a number
/// whose absolute value Java cannot hold.
pub(super) fn java_duration(months: i32, days: i32, nanos: i64, out: &mut String) {
    sign(months, days, nanos, out);
    let (months, days) = (months.checked_abs().unwrap_or(0), days.checked_abs().unwrap_or(0));
    units(months.unsigned_abs(), days.unsigned_abs(), nanos.checked_abs().unwrap_or(0).unsigned_abs(), out);
}

fn sign(months: i32, days: i32, nanos: i64, out: &mut String) {
    if months < 0 || days < 0 || nanos < 0 {
        out.push('-');
    }
}

fn units(months: u32, days: u32, nanos: u64, out: &mut String) {
    for (number, unit) in [
        (u64::from(months / 12), "y"),
        (u64::from(months % 12), "mo"),
        (u64::from(days), "d"),
        (nanos / 3_600_000_000_000, "h"),
        (nanos / 60_000_000_000 % 60, "m"),
        (nanos / 1_000_000_000 % 60, "s"),
        (nanos / 1_000_000 % 1_000, "ms"),
        (nanos / 1_000 % 1_000, "us"),
        (nanos % 1_000, "ns"),
    ] {
        if number != 0 {
            integer(number, out);
            out.push_str(unit);
        }
    }
}

/// Appends a number with zeros before it. A negative one is padded as if it were zero, as Cassandra does.
fn padded(number: i64, width: u32, out: &mut String) {
    for digits in 1..width {
        if number < 10_i64.pow(digits) {
            out.push('0');
        }
    }
    integer(number, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use SelectStyle::{Cassandra3, Cassandra4};

    fn timestamp_text(ms: i64, style: SelectStyle) -> String {
        let mut out = String::new();
        timestamp(ms, ' ', style, &mut out);
        out
    }

    fn date_text(days: i32, style: SelectStyle) -> String {
        let mut out = String::new();
        date(days, style, &mut out);
        out
    }

    fn time_text(nanos: i64) -> String {
        let mut out = String::new();
        time(nanos, &mut out);
        out
    }

    fn duration_texts(months: i32, days: i32, nanos: i64) -> (String, String) {
        let (mut cql, mut java) = (String::new(), String::new());
        duration(months, days, nanos, &mut cql);
        java_duration(months, days, nanos, &mut java);
        (cql, java)
    }

    #[test]
    fn timestamps_of_all_times_print_as_cassandra_does() {
        for (ms, text) in [
            (0, "1970-01-01 00:00:00.000Z"),
            (-1, "1969-12-31 23:59:59.999Z"),
            (1_709_210_096_789, "2024-02-29 12:34:56.789Z"),
            (i64::MAX, "+292278994-08-17 07:12:55.807Z"),
            (i64::MIN, "+292275056-05-16 16:47:04.192Z"),
            (9_223_372_036_854_775, "+294247-01-10 04:00:54.775Z"),
            (253_402_300_800_000, "+10000-01-01 00:00:00.000Z"),
            (-62_135_596_800_000, "0001-01-01 00:00:00.000Z"),
            (-62_135_596_800_001, "0001-12-31 23:59:59.999Z"),
        ] {
            assert_eq!(timestamp_text(ms, Cassandra4), text);
        }
    }

    #[test]
    fn cassandra_3_prints_julian_dates_before_1582_and_no_plus() {
        for (ms, text) in [
            (i64::MAX, "292278994-08-17 07:12:55.807Z"),
            (i64::MIN, "292269055-12-02 16:47:04.192Z"),
            (GREGORIAN_FROM_MS, "1582-10-15 00:00:00.000Z"),
            (GREGORIAN_FROM_MS - 1, "1582-10-04 23:59:59.999Z"),
        ] {
            assert_eq!(timestamp_text(ms, Cassandra3), text);
        }
    }

    #[test]
    fn dates_of_all_days_print_as_cassandra_does() {
        for (days, text) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (19_782, "2024-02-29"),
            (-719_162, "0001-01-01"),
            (-719_527, "0000-01-02"),
            (-719_529, "-0001-12-31"),
            (2_932_896, "9999-12-31"),
            (2_932_897, "+10000-01-01"),
            (i32::MIN, "-5877641-06-23"),
            (i32::MAX, "+5881580-07-11"),
        ] {
            assert_eq!(date_text(days, Cassandra4), text);
        }
        assert_eq!(date_text(i32::MAX, Cassandra3), "5881580-07-11");
    }

    #[test]
    fn days_follow_each_other_through_eras_and_leap_years() {
        let mut before = gregorian(-1_000_000);
        for days in -999_999..1_000_000 {
            let day = gregorian(days);
            let next = Day { day: before.day + 1, ..before };
            let first = Day { day: 1, month: before.month % 12 + 1, year: before.year + i64::from(before.month == 12) };
            assert!(day == next && day.day <= 31 || day == first && before.day >= 28, "{before:?} {day:?}");
            before = day;
        }
    }

    #[test]
    fn times_print_as_cassandra_does() {
        assert_eq!(time_text(0), "00:00:00.000000000");
        assert_eq!(time_text(86_399_999_999_999), "23:59:59.999999999");
        assert_eq!(time_text(45_296_789_000_000), "12:34:56.789000000");
        assert_eq!(time_text(86_400_000_000_000), "00:00:00.000000000");
        assert_eq!(time_text(i64::MIN), "0-23:0-47:0-16.00-85400-77500-808");
    }

    #[test]
    fn durations_print_as_cassandra_does() {
        for (months, days, nanos, text) in [
            (14, 25, 18_367_008_009_010, "1y2mo25d5h6m7s8ms9us10ns"),
            (-1, 0, 0, "-1mo"),
            (0, 0, 1, "1ns"),
            (0, -3, -43_200_000_000_000, "-3d12h"),
            (i32::MAX, i32::MAX, 0, "178956970y7mo2147483647d"),
        ] {
            assert_eq!(duration_texts(months, days, nanos), (text.to_owned(), text.to_owned()));
        }
    }

    #[test]
    fn a_duration_of_nothing_is_a_literal_in_events_only() {
        assert_eq!(duration_texts(0, 0, 0), ("0s".to_owned(), String::new()));
        assert_eq!(duration_texts(0, 0, i64::MIN), ("-2562047h47m16s854ms775us808ns".to_owned(), "-".to_owned()));
    }
}
