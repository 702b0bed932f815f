//! Progress of long work, for people at a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows bars, or nothing.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    visible: bool,
}

/// The bar of one step.
pub(in crate::cli) struct Bar(ProgressBar);

impl Progress {
    /// Bars on standard error when `visible`.
    pub fn new(visible: bool) -> Self {
        Self { visible }
    }

    pub(in crate::cli) fn start(self, name: &'static str, length: impl TryInto<u64>) -> Bar {
        let target =
            if self.visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(length.try_into().ok(), target).with_message(name);
        if let Ok(style) = ProgressStyle::with_template("{msg:20} {wide_bar} {pos}/{len}") {
            bar.set_style(style);
        }
        Bar(bar)
    }
}

impl Bar {
    /// So far.
    pub(in crate::cli) fn at(&self, position: usize) {
        self.0.set_position(position as u64);
    }

    /// Done; the bar goes away.
    pub(in crate::cli) fn end(self) {
        self.0.finish_and_clear();
    }
}
