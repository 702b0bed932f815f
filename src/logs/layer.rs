//! Turns `tracing` events into lines and hands them to the writer.

use std::sync::{
    Arc,
    atomic::Ordering,
    mpsc::{SyncSender, TrySendError},
};

use jiff::{Timestamp, tz::Offset};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{Layer, layer::Context};

use super::{LogStats, SECURITY, line::Line, writer::Message};

/// Form of terminal lines.
#[derive(Clone, Copy, Debug)]
pub enum Terminal {
    /// For people.
    Human {
        /// Whether to colour.
        colour: bool,
    },
    /// As in the files.
    Json,
}

/// The subscriber's only layer.
pub struct LogLayer {
    terminal: Terminal,
    offset: Offset,
    out: SyncSender<Message>,
    stats: Arc<LogStats>,
}

impl LogLayer {
    /// A layer that shows times `offset_hours` east of UTC.
    pub fn new(
        terminal: Terminal,
        offset_hours: i32,
        out: SyncSender<Message>,
        stats: Arc<LogStats>,
    ) -> Self {
        let offset = i8::try_from(offset_hours)
            .ok()
            .and_then(|hours| Offset::from_hours(hours).ok())
            .unwrap_or(Offset::UTC);
        Self { terminal, offset, out, stats }
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        match level {
            Level::ERROR => self.stats.errors.fetch_add(1, Ordering::Relaxed),
            Level::WARN => self.stats.warnings.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        let mut line = Line::default();
        event.record(&mut line);
        let time =
            self.offset.to_datetime(Timestamp::now()).strftime("%Y-%m-%d %H:%M:%S").to_string();
        let file = line.json(&time, level);
        let terminal = match self.terminal {
            Terminal::Json => file.clone(),
            Terminal::Human { colour } => line.human(&time, level, colour),
        };
        let message = Message::Line {
            terminal,
            file,
            error: level == Level::ERROR,
            security: event.metadata().target() == SECURITY,
        };
        if let Err(TrySendError::Full(_)) = self.out.try_send(message) {
            self.stats.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
