//! Durations, sizes and percentages as text with a unit.

use std::time::Duration;

/// What a duration looks like, for messages.
pub(super) const DURATION_FORM: &str = "a whole number with a unit, for example 10ms, 2s, 5m, 1h or 1d";
/// What a size looks like, for messages.
pub(super) const SIZE_FORM: &str = "a whole number with a unit, for example 64MiB, 16GiB or 1GB";
/// What a percentage looks like, for messages.
pub(super) const PERCENT_FORM: &str = "a whole number from 0% to 100%";

/// `10ms`, `2s`, `5m`, `1h`, `1d`.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit_ms).map(Duration::from_millis)
}

/// `512B`, `64MiB`, `16GiB` (powers of 1024), `1GB` (powers of 1000), in bytes.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let unit_bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(unit_bytes)
}

/// `5%`, from 0 to 100.
pub(super) fn percent(text: &str) -> Option<u8> {
    let (number, unit) = split(text)?;
    u8::try_from(number).ok().filter(|n| unit == "%" && *n <= 100)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    Some((digits.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_a_unit() {
        assert_eq!(duration("10ms"), Some(Duration::from_millis(10)));
        assert_eq!(duration("2 s"), Some(Duration::from_secs(2)));
        assert_eq!(duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(duration("1h"), Some(Duration::from_secs(3600)));
        assert_eq!(duration("1d"), Some(Duration::from_secs(86400)));
        for wrong in ["", "2", "s", "1.5s", "-1s", "2S", "2s3", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_carry_a_unit_and_binary_and_decimal_ones_differ() {
        assert_eq!(size("16GiB"), Some(16 << 30));
        assert_eq!(size("64MiB"), Some(64 << 20));
        assert_eq!(size("1GB"), Some(1_000_000_000));
        assert_eq!(size("2TiB"), Some(2 << 40));
        assert_eq!(size("7B"), Some(7));
        for wrong in ["", "16", "16G", "16gib", "-1MiB", "1.5GiB", "99999999999TiB"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn percentages_end_with_the_sign_and_stay_within_a_hundred() {
        assert_eq!(percent("5%"), Some(5));
        assert_eq!(percent("100%"), Some(100));
        for wrong in ["5", "101%", "300%", "%", "0.5%", "-1%"] {
            assert_eq!(percent(wrong), None, "{wrong}");
        }
    }
}
