//! Colours, for a terminal.

use anstyle::{AnsiColor, Style};

/// How the parts of a line look. The default is plain text, as it goes into pipes and files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Names of tables.
    pub table: Style,
    /// Operations that write.
    pub write: Style,
    /// Operations that delete.
    pub delete: Style,
    /// What is there for looking up: positions, times, offsets.
    pub quiet: Style,
    /// What cannot be read.
    pub error: Style,
    /// Segments, headings.
    pub heading: Style,
}

impl Look {
    /// With the colours that every terminal has.
    pub fn coloured() -> Look {
        let colour = |colour: AnsiColor| colour.on_default();
        Look {
            table: colour(AnsiColor::Cyan).bold(),
            write: colour(AnsiColor::Green),
            delete: colour(AnsiColor::Yellow),
            quiet: Style::new().dimmed(),
            error: colour(AnsiColor::Red),
            heading: Style::new().bold(),
        }
    }
}
