//! Tests of the layer's lines.

use std::sync::{Arc, mpsc::sync_channel};

use tracing_subscriber::layer::SubscriberExt;

use super::{
    LogStats, SECURITY,
    layer::{LogLayer, Terminal},
    writer::Message,
};

#[test]
fn events_become_lines_and_counts() {
    let (out, lines) = sync_channel(8);
    let stats = Arc::new(LogStats::default());
    let layer = LogLayer::new(Terminal::Human { colour: false }, 8, out, Arc::clone(&stats));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!(status = 200, "served");
        tracing::warn!(target: SECURITY, agent = "a\nb", "odd");
        tracing::error!("failed");
    });

    let mut seen = Vec::new();
    while let Ok(Message::Line { terminal, file, error, security }) = lines.try_recv() {
        assert!(file.starts_with("{\"ts\":\"20"), "{file}");
        seen.push((terminal[9..].to_owned(), error, security, file));
    }
    assert_eq!(seen[0].0, "INFO  served status=200\n");
    assert!(seen[0].3.ends_with(
        r#""lvl":"info","msg":"served","status":200}
"#
    ));
    assert_eq!((seen[1].0.as_str(), seen[1].2), ("WARN  odd agent=a\\nb\n", true));
    assert!(seen[2].1);
    assert_eq!((stats.errors(), stats.warnings(), stats.dropped()), (1, 1, 0));
}

#[test]
fn a_full_queue_drops_and_counts() {
    let (out, _lines) = sync_channel(1);
    let stats = Arc::new(LogStats::default());
    let layer = LogLayer::new(Terminal::Json, 0, out, Arc::clone(&stats));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!("kept");
        tracing::info!("dropped");
    });
    assert_eq!(stats.dropped(), 1);
}
