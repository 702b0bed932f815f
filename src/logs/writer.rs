//! The thread that writes lines, so that no request waits for a disk or a terminal.

use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use super::files::{Folder, Kind};

/// Lines waiting to be written; further ones are dropped and counted by the layer.
const QUEUE: usize = 16_384;

/// What the writer is told.
pub enum Message {
    /// One event in both forms.
    Line {
        /// Text for the terminal.
        terminal: String,
        /// Text for the files.
        file: String,
        /// Also goes to the error file.
        error: bool,
        /// Also goes to the security file.
        security: bool,
    },
    /// Write what is queued and end.
    Stop,
}

/// Owns the thread.
pub struct Writer {
    sender: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; without a folder only the terminal is written.
    pub fn start(folder: Option<Folder>) -> Self {
        let (sender, receiver) = sync_channel(QUEUE);
        let thread =
            thread::Builder::new().name("logs".into()).spawn(move || write_all(&receiver, folder));
        Self { sender, thread: thread.ok() }
    }

    /// Where lines are sent.
    pub fn sender(&self) -> SyncSender<Message> {
        self.sender.clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Blocks only while the queue is full, which the thread is emptying.
        let _ = self.sender.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_all(receiver: &Receiver<Message>, mut folder: Option<Folder>) {
    while let Ok(first) = receiver.recv() {
        // The lock and the flush are shared by everything that is already waiting.
        let mut terminal = io::stdout().lock();
        let mut next = Some(first);
        while let Some(message) = next {
            let Message::Line { terminal: text, file, error, security } = message else {
                let _ = terminal.flush();
                return;
            };
            // A closed terminal is no reason to stop serving or writing files.
            let _ = terminal.write_all(text.as_bytes());
            if let Some(folder) = &mut folder {
                folder.write(Kind::Main, &file);
                if error {
                    folder.write(Kind::Error, &file);
                }
                if security {
                    folder.write(Kind::Security, &file);
                }
            }
            next = receiver.try_recv().ok();
        }
        let _ = terminal.flush();
    }
}
