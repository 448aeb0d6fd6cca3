//! Which of the header's columns a row has (`Columns.Serializer.serializeSubset`).

use ringtail::codec::put_unsigned_vint;

/// Appends the subset; `present[i]` says whether the row has the header's column `i`.
pub fn put(present: &[bool], out: &mut Vec<u8>) {
    let indexes = |wanted: bool| present.iter().enumerate().filter(move |(_, is)| **is == wanted).map(|(index, _)| index as u64);
    let missing = indexes(false).count();
    if present.len() < 64 {
        put_unsigned_vint(out, indexes(false).fold(0, |bitmap, index| bitmap | 1 << index));
        return;
    }
    put_unsigned_vint(out, missing as u64);
    let shorter_is_present = missing > 0 && present.len() - missing < present.len() / 2;
    if missing > 0 {
        indexes(shorter_is_present).for_each(|index| put_unsigned_vint(out, index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subset(columns: usize, has: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut out = Vec::new();
        put(&(0..columns).map(has).collect::<Vec<_>>(), &mut out);
        out
    }

    #[test]
    fn subsets_are_as_cassandra_wrote_them() {
        assert_eq!(subset(3, |index| index != 1), [0x02]);
        assert_eq!(subset(70, |index| index < 3), [0x43, 0x00, 0x01, 0x02]);
        assert_eq!(subset(70, |index| index < 60), [0x0a, 0x3c, 0x3d, 0x3e, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45]);
        assert_eq!(subset(70, |_| true), [0x00]);
    }
}
