//! Log lines: text or JSON, always on standard error, each with the node it comes from.

use std::fmt;
use std::io::IsTerminal;
use std::sync::{Arc, OnceLock};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Full, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The node's id, given to log lines as soon as it is known: with `node.id: auto` that is after the first lines.
#[derive(Clone, Debug, Default)]
pub struct NodeName(Arc<OnceLock<String>>);

impl NodeName {
    /// Says who we are. The first call holds.
    pub fn set(&self, node: &str) {
        self.0.get_or_init(|| node.to_owned());
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Somebody has set it up before.
    #[error("logging is set up twice")]
    Twice(#[from] TryInitError),
}

/// Begins logging to standard error for the whole process.
///
/// `level` holds for our own lines; libraries log from WARN, whatever is set, because their debug lines may hold values. The CQL
/// driver is silent: it says each failed attempt three times, and we say it once, with its reason.
///
/// # Errors
/// Called a second time.
pub fn init(json: bool, level: Level, node: NodeName) -> Result<(), InitError> {
    let colour = std::io::stderr().is_terminal();
    subscriber(json, colour, level, node, std::io::stderr).try_init()?;
    Ok(())
}

fn subscriber<W>(json: bool, colour: bool, level: Level, node: NodeName, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let libraries = if level == Level::ERROR { Level::ERROR } else { Level::WARN };
    let form = if json {
        Form::Json(format().json().flatten_event(true).with_current_span(false).with_span_list(false))
    } else {
        Form::Text(format().with_ansi(colour))
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{libraries},scylla=off,ringtail={level}")))
        .with_writer(writer)
        // A log that nobody takes any more must not end the agent.
        .log_internal_errors(false)
        .event_format(Lines { form, node })
        .finish()
}

/// Writes a line as one of the library's formats does, and puts the node into it.
struct Lines {
    form: Form,
    node: NodeName,
}

enum Form {
    Text(Format<Full>),
    Json(Format<Json>),
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        match &self.form {
            Form::Text(format) => format.format_event(context, Writer::new(&mut line), event)?,
            Form::Json(format) => format.format_event(context, Writer::new(&mut line), event)?,
        }
        let Some(node) = self.node.0.get() else { return writer.write_str(&line) };
        match &self.form {
            Form::Text(_) => writeln!(writer, "{} node={node}", line.trim_end()),
            Form::Json(_) => {
                write!(writer, "{{\"node\":{},{}", serde_json::Value::from(node.as_str()), line.strip_prefix('{').unwrap_or(&line))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn lines(json: bool, level: Level, node: &NodeName, log: impl FnOnce()) -> Vec<String> {
        let out: Arc<Mutex<Vec<u8>>> = Arc::default();
        tracing::subscriber::with_default(subscriber(json, false, level, node.clone(), Shared(out.clone())), log);
        String::from_utf8(out.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }

    #[derive(Clone)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Shared {
        type Writer = Shared;

        fn make_writer(&'w self) -> Shared {
            self.clone()
        }
    }

    #[test]
    fn a_json_line_is_one_object_with_its_facts_and_the_node() {
        let node = NodeName::default();
        node.set("n\"1");

        let lines = lines(true, Level::INFO, &node, || tracing::info!(segment = 7, "segment finished"));

        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!((&line["node"], &line["segment"], &line["message"]), (&"n\"1".into(), &7.into(), &"segment finished".into()));
        assert_eq!(line["level"], "INFO");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    }

    #[test]
    fn a_text_line_ends_with_the_node_once_it_is_known() {
        let node = NodeName::default();

        let lines = lines(false, Level::INFO, &node, || {
            tracing::info!("starting");
            node.set("n1");
            node.set("n2");
            tracing::info!(segment = 7, "segment finished");
        });

        assert!(lines[0].ends_with("starting"), "{lines:?}");
        assert!(lines[1].ends_with("segment finished segment=7 node=n1"), "{lines:?}");
    }

    #[test]
    fn the_level_holds_for_our_lines_and_libraries_log_from_warn() {
        let lines = lines(false, Level::DEBUG, &NodeName::default(), || {
            tracing::trace!("ours, too fine");
            tracing::debug!("ours");
            tracing::debug!(target: "sled", "a library's");
            tracing::warn!(target: "sled", "a library's warning");
            tracing::error!(target: "scylla::cluster", "what we say ourselves");
        });

        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("ours") && lines[1].contains("a library's warning"), "{lines:?}");
    }
}
