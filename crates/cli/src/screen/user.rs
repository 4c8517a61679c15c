//! What the user does at a screen.

use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fullduplex::Message;
use tokio::sync::mpsc;

use super::background::Background;
use super::command::{self, Input};
use super::draw::{Direction, size};
use super::edit::{EditResult, Key};
use super::filter::Filter;
use super::info;
use super::state::State;
use crate::base::files::read_message;
use crate::config::SavedMessage;
use crate::session::Action;

impl State {
    pub(super) fn key(&mut self, key: Key) {
        if self.has_ended {
            return;
        }
        let names = self.saved.names();
        match self.editor.key(key, |typed| command::complete(typed, &names)) {
            EditResult::Ignored => return,
            EditResult::Edited => {}
            EditResult::Entered(line) => self.entered(&line),
            EditResult::Interrupt => self.interrupter.interrupt(),
            EditResult::EndOfInput => self.end_of_input(),
            EditResult::ClearScreen => self.canvas.clear(),
            EditResult::Candidates(words) => self.canvas.note(&words.join("  ")),
            EditResult::PasteTooLong => {
                self.canvas.error(
                    "the paste is longer than 64 MiB, and was dropped; /file PATH sends a file",
                );
            }
        }
        self.canvas.touch();
    }

    pub(super) fn end_of_input(&mut self) {
        if !mem::replace(&mut self.has_ended, true) {
            self.act(Action::EndOfInput);
            self.resume();
        }
    }

    pub(super) fn entered(&mut self, line: &str) {
        self.canvas.touch();
        if let Err(error) = self.editor.remember(line) {
            self.canvas.error(&format!("the history can't be written: {error}"));
        }
        match Input::parse(line) {
            Ok(input) => self.do_input(input),
            Err(why) => self.canvas.error(&why),
        }
    }

    fn do_input(&mut self, input: Input) {
        match input {
            Input::Nothing => {}
            Input::Text(text) if self.sends_binary => self.send(text.into_bytes().into()),
            Input::Text(text) => self.send(text.into()),
            Input::Binary(bytes) => self.send(Message::Binary(bytes)),
            Input::Ping(payload) => self.control("Ping", payload, Action::Ping),
            Input::Pong(payload) => self.control("Pong", payload, Action::Pong),
            Input::Close(code, reason) => self.act(Action::Close(code, reason)),
            Input::File { path, is_binary } => self.read(path, is_binary),
            Input::Send(name) => match self.saved.get(&name).cloned() {
                Ok(SavedMessage::Text(text)) => self.send(text.into()),
                Ok(SavedMessage::File(path)) => self.read(path, false),
                Err(why) => self.canvas.error(&format!("/send: {why}")),
            },
            Input::Frames => match &self.frames {
                Some(frames) if frames.toggle() => self.canvas.note("frames are shown"),
                Some(_) => self.canvas.note("frames are hidden"),
                None => self.canvas.error("/frames: begin with fdx connect --frames for that"),
            },
            Input::Grep(None) if self.filter.is_none() => {
                self.canvas.error("/grep PATTERN: which text must messages have?");
            }
            Input::Grep(pattern) => {
                self.filter = pattern.map(|pattern| Filter::new(&pattern));
            }
            Input::Help => self.canvas.note(&command::help()),
            Input::Info => self.info(),
            Input::Pause if !self.held.is_paused => self.held.is_paused = true,
            Input::Pause | Input::Resume => self.resume(),
            Input::Save(path) => self.save(path),
            Input::Show => self.show(),
        }
    }

    fn send(&mut self, message: Message) {
        if !self.draws_events {
            let time = self.time("");
            self.canvas.message(Direction::Sent, &time, &message);
        }
        self.act(Action::Send(message));
    }

    fn control(&mut self, name: &str, payload: Bytes, action: fn(Bytes) -> Action) {
        let time = self.time("");
        self.canvas.control(Direction::Sent, &time, name, &payload, "");
        self.act(action(payload));
    }

    fn act(&mut self, action: Action) {
        match self.actions.try_send(action) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.canvas
                    .error("not sent: the peer takes nothing, and 64 messages wait for it already");
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {
                self.canvas.error("not sent: the connection is closed");
            }
        }
    }

    fn info(&mut self) {
        let text = info::text(&self.facts, self.opened.elapsed(), &self.counts);
        self.canvas.note(&text);
    }

    fn show(&mut self) {
        let Some(message) = self.last.clone() else {
            return self.canvas.error("/show: no message has been received yet");
        };
        self.canvas.whole_message(&message);
    }

    /// Reads a file in the background, and then sends it.
    fn read(&mut self, path: PathBuf, is_binary: bool) {
        let results = self.background.clone();
        tokio::task::spawn_blocking(move || {
            let read = read_file(&path, is_binary);
            // If the screen has ended, there is nothing to say.
            let _ = results.blocking_send(Background::Read(path, read));
        });
    }

    fn save(&mut self, path: PathBuf) {
        let Some(message) = self.last.clone() else {
            return self.canvas.error("/save: no message has been received yet");
        };
        let results = self.background.clone();
        tokio::task::spawn_blocking(move || {
            let write = || {
                let mut file = std::fs::File::create_new(&path)?;
                io::Write::write_all(&mut file, message.as_bytes())?;
                Ok(message.len())
            };
            let written = write();
            let _ = results.blocking_send(Background::Written(path, written));
        });
    }

    /// Goes on after work in the background.
    pub(super) fn background(&mut self, result: Background) {
        match result {
            Background::Read(_, Ok(message)) => self.send(message),
            Background::Read(path, Err(error)) => {
                self.canvas.error(&format!("{}: {error}; not sent", path.display()));
            }
            Background::Written(path, Ok(len)) => {
                self.canvas.note(&format!("{} is written, {}", path.display(), size(len)));
            }
            Background::Written(path, Err(error)) => {
                self.canvas.error(&format!("{}: {error}; not written", path.display()));
            }
        }
    }
}

/// Reads a file as a message: text if it is UTF-8 and is not to be binary.
fn read_file(path: &Path, is_binary: bool) -> io::Result<Message> {
    let bytes = read_message(path)?;
    if is_binary {
        return Ok(bytes.into());
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(error) => error.into_bytes().into(),
    })
}
