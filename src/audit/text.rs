//! The report for people.

use super::page::Listed;
use super::report::{Cause, Report, Verdict, is_summed};
use crate::checkpoint::{Deed, SegmentState};
use std::fmt::Write;

/// The columns of [`columns`].
const HEAD: [&str; 9] = ["SEGMENT", "STATE", "BYTES", "DELIVERED", "FILTERED", "PARKED", "DAMAGED", "LOST", "DELIVERED TO"];

/// One segment as a row of the table. `None` stands for the heads of the columns.
pub fn columns(listed: Option<&Listed>) -> Vec<String> {
    let Some(Listed { record, incarnation, .. }) = listed else { return HEAD.map(str::to_owned).to_vec() };
    let name = match incarnation {
        0 => record.file.clone(),
        n => format!("{} ({})", record.file, u32::from(*n) + 1),
    };
    let (position, logical) = (record.delivered_to.position.0, &record.bytes.logical);
    let to = record.end.map_or_else(|| position.to_string(), |end| format!("{position} of {end}"));
    let mut row = vec![name, record.state().name().to_owned(), record.bytes.file.length.to_string()];
    let sums = [logical.delivered, logical.filtered, logical.parked, logical.damaged.max(record.bytes.file.damaged), logical.lost];
    // Before it was read to its end there are no sums.
    row.extend(sums.map(|sum| if is_summed(record) { sum.to_string() } else { "-".to_owned() }));
    row.push(to);
    row
}

/// Rows in columns: texts to the left, numbers to the right.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
    let width = |column: usize| rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or(0);
    let is_number = |column: usize| {
        let mut below = rows.iter().skip(1).map(|row| cell(row, column));
        rows.len() > 1 && below.all(|text| text == "-" || text.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let shape: Vec<(usize, bool)> = (0..columns).map(|column| (width(column), is_number(column))).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&shape).map(|(cell, (width, right))| match right {
            true => format!("{cell:>width$}"),
            false => format!("{cell:width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

impl Report {
    /// The sums, what is set aside or lost, and the verdict in the last line.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        self.write(&mut text).unwrap_or_default();
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let (file, logical, entries) = (&self.bytes.file, &self.bytes.logical, &self.entries);
        let states: Vec<String> = self.by_state.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let states = if states.is_empty() { "no segments".to_owned() } else { states.join(", ") };
        match &self.node {
            Some(node) => writeln!(text, "node       {node}, {} events delivered", self.events)?,
            None => writeln!(text, "node       not known yet")?,
        }
        match self.pruned {
            0 => writeln!(text, "segments   {states}")?,
            pruned => writeln!(text, "segments   {states}; {pruned} finished more than 90 days ago, in the sums only")?,
        }
        writeln!(
            text,
            "file       {} = header {} + markers {} + section heads {} + sections {} + padding {} + unmarked {} + damaged {}",
            file.length, file.header, file.markers, file.section_heads, file.section_payload, file.padding, file.unmarked, file.damaged
        )?;
        writeln!(
            text,
            "logical    {} = delivered {} + filtered {} + parked {} + damaged {} + lost {} + padding {}",
            logical.sections, logical.delivered, logical.filtered, logical.parked, logical.damaged, logical.lost, logical.padding
        )?;
        writeln!(
            text,
            "entries    {} = published {} + filtered {} + parked {} + lost {}",
            entries.seen, entries.published, entries.filtered, entries.parked, entries.lost
        )?;
        if self.unfinished.segments > 0 {
            let super::report::Unfinished { segments, bytes, delivered } = self.unfinished;
            writeln!(
                text,
                "under way  {segments} segments of {bytes} bytes, {delivered} delivered; in the sums once they are read to their end"
            )?;
        }
        self.write_aside(text)?;
        writeln!(text, "{}", self.verdict_text())
    }

    fn write_aside(&self, text: &mut String) -> std::fmt::Result {
        if self.parked.entries > 0 {
            writeln!(text, "parked     {} entries, {} bytes (ringtail parked list)", self.parked.entries, self.parked.bytes)?;
        }
        for Cause { segment, state, why } in &self.causes {
            writeln!(text, "{state:10} {segment}: {why}")?;
        }
        for (number, gap) in (1..).zip(&self.gaps).filter(|(_, gap)| gap.is_open()) {
            let judgement = if gap.judgement == crate::checkpoint::Judgement::Lost { "lost" } else { "suspicious" };
            writeln!(text, "gap:{number}      {judgement} ({}): {}", gap.cause, gap.text)?;
        }
        for change in &self.trail {
            let what = match change.what {
                Deed::Rewound => "rewound",
                Deed::Skipped => "skipped",
                Deed::Imported => "imported",
                Deed::Acknowledged => "acknowledged",
                Deed::Discarded => "discarded",
                Deed::Rebuilt => "rebuilt",
                Deed::BegunAnew => "begun anew",
            };
            let about = change.segment.as_deref().unwrap_or("the ledger");
            let from = change.from.as_deref().map(|from| format!(" from {from}")).unwrap_or_default();
            let to = change.to.as_deref().map(|to| format!(" to {to}")).unwrap_or_default();
            writeln!(text, "change     {what} {about}{from}{to}: {}", change.reason)?;
        }
        Ok(())
    }

    /// The verdict as a sentence.
    pub fn verdict_text(&self) -> String {
        let open_gaps = self.gaps.iter().filter(|gap| gap.is_open()).count();
        match self.verdict() {
            Verdict::Whole => "nothing is lost, nothing is set aside".into(),
            Verdict::Aside => format!(
                "nothing is lost; set aside: {} parked entries, {} quarantined segments, {open_gaps} gaps to look at",
                self.parked.entries,
                self.quarantined.len()
            ),
            Verdict::Lost if !self.inconsistent.is_empty() => {
                format!("the sums of {} segments do not add up: {}", self.inconsistent.len(), self.inconsistent.join(", "))
            }
            Verdict::Lost => format!(
                "LOST and not acknowledged: {} segments, {open_gaps} gaps (ringtail audit acknowledge SEGMENT --reason TEXT)",
                self.lost.len()
            ),
        }
    }

    /// Whether a segment is worth a row of its own when not all are asked for.
    pub fn is_notable(listed: &Listed) -> bool {
        let bytes = &listed.record.bytes;
        let aside = bytes.logical.parked + bytes.logical.damaged + bytes.logical.lost + bytes.file.damaged + bytes.file.unmarked;
        aside > 0 || !matches!(listed.record.state(), SegmentState::Finished(_))
    }
}
