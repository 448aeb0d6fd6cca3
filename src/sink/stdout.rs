//! Records as lines on standard output, or on anything else that can be written to.

use super::line::Lines;
use super::{DeliveryReport, SendError, Sink, SinkError};
use crate::envelope::Record;
use crate::progress::Ticket;
use std::io::Write;
use std::time::Duration;

/// Writes one JSON object a line and reports what has been flushed.
///
/// Flushed is not durable: what a pipe's reader does with a line is its own affair.
#[derive(Debug)]
pub struct StdoutSink<W = std::io::Stdout> {
    to: W,
    lines: Lines,
}

impl StdoutSink {
    /// The sink on this process's standard output.
    pub fn stdout() -> StdoutSink {
        StdoutSink::new(std::io::stdout())
    }
}

impl<W: Write> StdoutSink<W> {
    /// The sink on `to`.
    pub fn new(to: W) -> StdoutSink<W> {
        StdoutSink { to, lines: Lines::default() }
    }
}

impl<W: Write> Sink for StdoutSink<W> {
    fn send(&mut self, record: &Record, ticket: Ticket) -> Result<(), SendError> {
        if self.lines.push(record, ticket) { Ok(()) } else { Err(SendError::Full) }
    }

    fn poll(&mut self, wait: Duration, reports: &mut Vec<DeliveryReport>) -> Result<(), SinkError> {
        if self.lines.is_empty() {
            std::thread::sleep(wait);
            return Ok(());
        }
        self.to
            .write_all(self.lines.bytes())
            .and_then(|()| self.to.flush())
            .map_err(|source| SinkError::Io { what: "standard output".into(), source })?;
        reports.extend(self.lines.written().map(|ticket| DeliveryReport { ticket, result: Ok(()) }));
        Ok(())
    }

    fn reset(&mut self) -> Result<(), SinkError> {
        self.lines.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::PartitionBy;

    fn record(key: &str) -> Record {
        Record {
            topic: "t".into(),
            key: key.into(),
            value: None,
            headers: Vec::new(),
            timestamp: None,
            partition_key: Vec::new(),
            partition_by: PartitionBy::RecordKey,
        }
    }

    #[test]
    fn records_are_reported_once_their_lines_are_out() {
        let mut out = Vec::new();
        let mut sink = StdoutSink::new(&mut out);
        let mut reports = Vec::new();

        sink.send(&record("1"), Ticket(7)).unwrap();
        sink.send(&record("2"), Ticket(8)).unwrap();
        sink.poll(Duration::ZERO, &mut reports).unwrap();
        sink.poll(Duration::ZERO, &mut reports).unwrap();

        assert_eq!(reports.iter().map(|r| r.ticket.0).collect::<Vec<_>>(), [7, 8]);
        assert!(reports.iter().all(|r| r.result.is_ok()));
        assert_eq!(String::from_utf8(out).unwrap().lines().count(), 2);
    }

    #[test]
    fn closed_pipe_ends_the_sink() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut sink = StdoutSink::new(writer);
        let mut reports = Vec::new();

        sink.send(&record("1"), Ticket(1)).unwrap();
        let error = sink.poll(Duration::ZERO, &mut reports).unwrap_err();

        assert!(matches!(error, SinkError::Io { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe));
        assert!(reports.is_empty());
    }

    #[test]
    fn reset_forgets_what_was_not_written() {
        let mut out = Vec::new();
        let mut sink = StdoutSink::new(&mut out);
        let mut reports = Vec::new();

        sink.send(&record("1"), Ticket(1)).unwrap();
        sink.reset().unwrap();
        sink.poll(Duration::ZERO, &mut reports).unwrap();

        assert!(reports.is_empty());
        assert!(out.is_empty());
    }
}
