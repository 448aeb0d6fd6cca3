//! The lossless form: JSON Lines, field by field what Cassandra's own reader says.

use super::printer::Printer;
use super::{Filter, Form, Release, Stored, Summary, reader_order};
use crate::commitlog::{Damage, Descriptor, Entry, SegmentError};
use crate::mutation::{DecodeError, Mutation};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// Writes the lossless form.
#[derive(Debug)]
pub struct Lossless<W> {
    out: W,
    /// Name of the segment's file.
    segment: String,
    version: u32,
    printer: Printer,
}

impl<W: Write> Lossless<W> {
    /// Writes to `out` what the reader of `release` says; see [`Release::of`].
    pub fn new(out: W, release: Release) -> Self {
        Lossless { out, segment: String::new(), version: 0, printer: Printer { release } }
    }

    fn line(&mut self, line: &Value) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }
}

impl<W: Write> Form for Lossless<W> {
    fn segment(&mut self, stored: &Stored<'_>, header: Result<&Descriptor, &SegmentError>, _: &Filter) -> io::Result<()> {
        self.segment = stored.archive.log();
        let mut line = json!({
            "kind": "segment",
            "segment": self.segment,
            "file_size": stored.bytes.len(),
            "idx": stored.archive.index(),
        });
        let fields = match header {
            Ok(descriptor) => {
                self.version = descriptor.version;
                json!({
                    "descriptor_version": descriptor.version,
                    "descriptor_id": descriptor.id.0,
                    "compression": descriptor.compression_class,
                    "encrypted": descriptor.encryption.is_some(),
                    "header_end": descriptor.header_end.0,
                })
            }
            Err(error) => json!({ "descriptor_error": error.to_string() }),
        };
        merge(&mut line, fields);
        self.line(&line)
    }

    fn mutation(&mut self, entry: &Entry<'_>, mutation: &Mutation<'_>, filter: &Filter) -> io::Result<()> {
        let updates = reader_order::updates(self.printer.release, mutation).into_iter().enumerate();
        for (index, update) in updates.filter(|(_, update)| filter.takes_update(update)) {
            let mut line = json!({
                "kind": "update",
                "segment": self.segment,
                "position": entry.end.0,
                "mutation_index": entry.index,
                "mutation_size": entry.body().len(),
                "update_index": index,
                "updates_in_mutation": mutation.updates.len(),
                "version": self.version,
            });
            merge(&mut line, self.printer.update(update));
            self.line(&line)?;
        }
        Ok(())
    }

    fn undecodable(&mut self, entry: &Entry<'_>, leading: &Mutation<'_>, error: &DecodeError, filter: &Filter) -> io::Result<()> {
        if !filter.takes_undecodable(leading, error) {
            return Ok(());
        }
        let mut line = json!({
            "segment": self.segment,
            "position": entry.end.0,
            "mutation_index": entry.index,
            "mutation_size": entry.body().len(),
        });
        let fields = match error {
            DecodeError::UnknownTable { id, .. } => json!({ "kind": "skipped", "unknown_table_id": id.to_string() }),
            error => json!({ "kind": "error", "reason": error.reason(), "message": error.to_string() }),
        };
        merge(&mut line, fields);
        self.line(&line)
    }

    fn damage(&mut self, damage: &Damage) -> io::Result<()> {
        let line = json!({
            "kind": "error",
            "segment": self.segment,
            "reason": damage.cause.kind(),
            "file_start": damage.file.start.0,
            "file_end": damage.file.end.0,
            "position_start": damage.logical.start.0,
            "position_end": damage.logical.end.0,
            "message": damage.to_string(),
        });
        self.line(&line)
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let skipped: Map<String, Value> = summary.skipped.iter().map(|(id, count)| (id.to_string(), json!(count))).collect();
        let line = json!({
            "kind": "summary",
            "segments": summary.segments,
            "mutations": summary.mutations,
            "updates": summary.updates,
            "rows": summary.rows,
            "cells": summary.cells,
            "skipped_mutations_unknown_table": summary.skipped.values().sum::<u64>(),
            "skipped_by_table_id": skipped,
            "errors": summary.errors,
        });
        self.line(&line)?;
        self.out.flush()
    }
}

pub(super) fn merge(line: &mut Value, fields: Value) {
    if let (Value::Object(line), Value::Object(fields)) = (line, fields) {
        line.extend(fields);
    }
}
