//! Numbers as text: Java's floats and decimals, and shortest floats for events.

use num_bigint::BigInt;

/// Appends an integer.
pub(super) fn integer(number: impl itoa::Integer, out: &mut String) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// Appends a `varint`.
pub(super) fn big_integer(number: &BigInt, out: &mut String) {
    match i64::try_from(number) {
        Ok(small) => integer(small, out),
        Err(_) => out.push_str(&number.to_string()),
    }
}

/// Appends a decimal as `BigDecimal.toString` prints it: plain if the scale is not negative and the
/// number not smaller than 1E-6, else scientific. The length depends on the digits, not on the scale.
pub(super) fn decimal(unscaled: &BigInt, scale: i32, out: &mut String) {
    let mut text = String::new();
    big_integer(unscaled, &mut text);
    let digits = match text.strip_prefix('-') {
        Some(digits) => {
            out.push('-');
            digits
        }
        None => &text,
    };
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let exponent = count - 1 - i64::from(scale);
    match usize::try_from(scale) {
        Ok(0) => out.push_str(digits),
        Ok(scale) if exponent >= -6 => plain_decimal(digits, scale, out),
        _ => scientific_decimal(digits, exponent, out),
    }
}

fn plain_decimal(digits: &str, scale: usize, out: &mut String) {
    match digits.len().checked_sub(scale).filter(|whole| *whole > 0) {
        Some(whole) => {
            let (whole, fraction) = digits.split_at(whole);
            out.extend([whole, ".", fraction]);
        }
        None => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', scale - digits.len()));
            out.push_str(digits);
        }
    }
}

fn scientific_decimal(digits: &str, exponent: i64, out: &mut String) {
    let (first, rest) = digits.split_at(1);
    out.push_str(first);
    if !rest.is_empty() {
        out.extend([".", rest]);
    }
    if exponent != 0 {
        out.push('E');
        if exponent > 0 {
            out.push('+');
        }
        integer(exponent, out);
    }
}

/// Appends a float for an event: the shortest number that reads back as the same float; NaN and the
/// infinities, which JSON has no numbers for, as strings.
pub(super) fn event_float(number: impl zmij::Float + Into<f64> + Copy, out: &mut String) {
    let wide: f64 = number.into();
    if wide.is_finite() {
        out.push_str(zmij::Buffer::new().format_finite(number));
    } else if wide.is_nan() {
        out.push_str("\"NaN\"");
    } else {
        out.push_str(if wide > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
    }
}

/// Appends a `float` as Java's `Float.toString` does.
pub(super) fn java_float(number: f32, out: &mut String) {
    if java_special(f64::from(number), out) {
        return;
    }
    let shortest = format!("{number:e}");
    // Java writes at least two digits and picks the nearest of those.
    if shortest.contains('.') { java_digits(&shortest, out) } else { java_digits(&format!("{number:.1e}"), out) }
}

/// Appends a `double` as Java's `Double.toString` does.
pub(super) fn java_double(number: f64, out: &mut String) {
    if java_special(number, out) {
        return;
    }
    let shortest = format!("{number:e}");
    if shortest.contains('.') { java_digits(&shortest, out) } else { java_digits(&format!("{number:.1e}"), out) }
}

/// What has no digits in Java, and zero.
fn java_special(number: f64, out: &mut String) -> bool {
    if number.is_nan() {
        out.push_str("NaN");
    } else if number.is_infinite() {
        out.push_str(if number > 0.0 { "Infinity" } else { "-Infinity" });
    } else if number == 0.0 {
        out.push_str(if number.is_sign_negative() { "-0.0" } else { "0.0" });
    } else {
        return false;
    }
    true
}

/// Appends `d.ddde±x` in Java's way: plain from 1E-3 up to 1E7, else scientific.
fn java_digits(scientific: &str, out: &mut String) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-3..7).contains(&exponent) {
        out.extend([mantissa, "E"]);
        integer(exponent, out);
        return;
    }
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    if unsigned.len() < mantissa.len() {
        out.push('-');
    }
    let (first, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let significant = format!("{first}{fraction}");
    let significant = match significant.trim_end_matches('0') {
        "" => "0",
        trimmed => trimmed,
    };
    match usize::try_from(exponent) {
        Ok(exponent) => {
            let whole = exponent + 1;
            out.push_str(significant.get(..whole).unwrap_or(significant));
            out.extend(std::iter::repeat_n('0', whole.saturating_sub(significant.len())));
            out.push('.');
            out.push_str(significant.get(whole..).filter(|fraction| !fraction.is_empty()).unwrap_or("0"));
        }
        Err(_) => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', exponent.unsigned_abs() as usize - 1));
            out.push_str(significant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal_text(unscaled: i128, scale: i32) -> String {
        let mut out = String::new();
        decimal(&BigInt::from(unscaled), scale, &mut out);
        out
    }

    fn double_text(number: f64) -> String {
        let mut out = String::new();
        java_double(number, &mut out);
        out
    }

    fn float_text(number: f32) -> String {
        let mut out = String::new();
        java_float(number, &mut out);
        out
    }

    #[test]
    fn decimals_print_as_big_decimal_does() {
        for (unscaled, scale, text) in [
            (0, 0, "0"),
            (0, 1, "0.0"),
            (0, 5, "0.00000"),
            (0, 6, "0.000000"),
            (0, 7, "0E-7"),
            (0, -5, "0E+5"),
            (-1, 0, "-1"),
            (110, 2, "1.10"),
            (1, 1, "0.1"),
            (1, 6, "0.000001"),
            (1, 7, "1E-7"),
            (12, 8, "1.2E-7"),
            (-1, 21, "-1E-21"),
            (1, -100, "1E+100"),
            (123, i32::MIN, "1.23E+2147483650"),
            (1, i32::MAX, "1E-2147483647"),
            (10, -1, "1.0E+2"),
            (99_999_999_999_999_999_999, 0, "99999999999999999999"),
            (12_345, 3, "12.345"),
            (-12_345, 5, "-0.12345"),
        ] {
            assert_eq!(decimal_text(unscaled, scale), text);
        }
    }

    #[test]
    fn doubles_print_as_java_does() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1.5, "1.5"),
            (100.0, "100.0"),
            (1_234_567.0, "1234567.0"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12_345_678.9, "1.23456789E7"),
            (0.001, "0.001"),
            (0.01, "0.01"),
            (0.000_999, "9.99E-4"),
            (-1e308, "-1.0E308"),
            (f64::MAX, "1.7976931348623157E308"),
            (5e-324, "4.9E-324"),
            (-394_381.340_654_967_47, "-394381.34065496747"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double_text(number), text);
        }
    }

    #[test]
    fn floats_print_as_java_does() {
        for (number, text) in [
            (1.4e-45, "1.4E-45"),
            (f32::MIN, "-3.4028235E38"),
            (878_334.06, "878334.06"),
            (-509_804.0, "-509804.0"),
            (f32::INFINITY, "Infinity"),
        ] {
            assert_eq!(float_text(number), text);
        }
    }

    #[test]
    fn event_floats_are_numbers_or_strings() {
        let mut out = String::new();
        for number in [1.5, -0.0, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            event_float(number, &mut out);
            out.push(' ');
        }
        event_float(0.1_f32, &mut out);

        assert_eq!(out, r#"1.5 -0.0 1e+300 "NaN" "Infinity" "-Infinity" 0.1"#);
    }

    proptest! {
        #[test]
        fn java_text_reads_back_as_the_same_number(double: f64, float: f32) {
            prop_assert_eq!(double_text(double).parse::<f64>().unwrap().to_bits(), double.to_bits());
            prop_assert_eq!(float_text(float).parse::<f32>().unwrap().to_bits(), float.to_bits());
        }
    }
}
