//! The changes of what passes on one WebSocket, and the events of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fullduplex::Role;
use fullduplex_inspect::edit::{Decision, EditHandler, Editor, HistoryError, Unchanged};
use fullduplex_inspect::proto::mask::MaskSource;
use fullduplex_inspect::recording::RecordedOpening;
use fullduplex_inspect::store::Handling;
use fullduplex_inspect::{Conversation, ConversationFrame};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::{Observer, Sinks, show, tell};
use crate::frames::Unfinished;
use crate::inspect::act::{Acting, Action, Held, Outcome, SocketControl};
use crate::inspect::event::{Event, Summary};

/// Fresh masking keys (RFC 6455 §5.3).
#[derive(Debug)]
struct Keys(SystemRandom);

impl MaskSource for Keys {
    fn next_key(&mut self) -> [u8; 4] {
        let mut key = [0; 4];
        // The system has randomness, or the program had not started.
        let _ = self.0.fill(&mut key);
        key
    }
}

/// The editors of an open WebSocket.
pub(super) struct Editing {
    acting: Arc<Acting>,
    control: Arc<SocketControl>,
    /// Of what the client sends, and of what the server sends. Nothing ever waits for it: what
    /// uses them has the only reference to the observer. It lets others have shared ones.
    editors: Mutex<[Editor; 2]>,
}

impl Editing {
    pub(super) fn new(
        acting: &Arc<Acting>,
        control: &Arc<SocketControl>,
        opening: &RecordedOpening,
    ) -> Self {
        acting.open(control, opening);
        let deflate = opening.deflate();
        let editor = |sender| Editor::new(sender, deflate, Box::new(Keys(SystemRandom::new())));
        let editors = Mutex::new([editor(Role::Client), editor(Role::Server)]);
        Self { acting: acting.clone(), control: control.clone(), editors }
    }

    fn editor(&mut self, sender: Role) -> &mut Editor {
        let editors = self.editors.get_mut().unwrap_or_else(PoisonError::into_inner);
        &mut editors[usize::from(sender == Role::Server)]
    }
}

/// Decides as the rules say, and tells the sinks.
struct Handler<'a> {
    number: u64,
    at: Duration,
    sinks: &'a Sinks,
    summary: &'a mut Summary,
    unfinished: &'a mut Unfinished,
    acting: &'a Acting,
    control: &'a SocketControl,
}

impl EditHandler for Handler<'_> {
    fn is_watching(&self) -> bool {
        self.acting.is_watching(self.control)
    }

    fn decide(&mut self, shown: &ConversationFrame, payload: &[u8]) -> Decision {
        self.acting.decide(self.control, self.at, shown, payload)
    }

    fn show(&mut self, shown: ConversationFrame, handling: Handling) {
        if handling != Handling::Injected {
            self.unfinished.complete(&shown);
        }
        let is_answer = self.summary.first_close.is_some();
        show(self.sinks, self.number, self.summary, (&shown, is_answer, handling));
    }

    fn unchanged(&mut self, shown: &ConversationFrame, why: Unchanged) {
        let len =
            shown.frame.message.as_ref().map_or(shown.frame.payload_seen, |message| message.len);
        let text = format!("a message of {len} B was to be held or changed, but {why}");
        tell(self.sinks, self.number, self.at, &Event::Note(&text));
    }
}

impl Observer {
    /// Returns the control of the WebSocket, once it is open, if anything acts on it.
    pub(in crate::inspect) fn editing(&self) -> Option<(&Arc<Acting>, &Arc<SocketControl>)> {
        self.editing.as_ref().map(|editing| (&editing.acting, &editing.control))
    }

    /// Returns whether what `sender` sends passes as it comes, for now.
    pub(in crate::inspect) fn passes_freely(&mut self, sender: Role) -> bool {
        self.editing.as_mut().is_none_or(|editing| {
            editing.editor(sender).is_transparent() && !editing.acting.is_watching(&editing.control)
        })
    }

    /// Returns whether something that `sender` has sent is held.
    pub(in crate::inspect) fn is_held(&mut self, sender: Role) -> bool {
        self.editing.as_mut().is_some_and(|editing| editing.editor(sender).held().is_some())
    }

    fn with_editor<R>(
        &mut self,
        sender: Role,
        run: impl FnOnce(&mut Editor, &mut Conversation, Duration, &mut Handler<'_>) -> R,
    ) -> Option<R> {
        let at = self.clock.now();
        let Self { number, sinks, frames, summary, editing, .. } = self;
        let (conversation, unfinished) = frames.as_mut()?.parts(sender);
        let Editing { acting, control, editors } = editing.as_deref_mut()?;
        let number = *number;
        let mut handler = Handler { number, at, sinks, summary, unfinished, acting, control };
        let editors = editors.get_mut().unwrap_or_else(PoisonError::into_inner);
        let editor = &mut editors[usize::from(sender == Role::Server)];
        Some(run(editor, conversation, at, &mut handler))
    }

    /// Takes what `sender` has sent from the beginning of the input, until something is held, and
    /// appends what passes. Carries out the commands of the page before.
    pub(in crate::inspect) fn edit(
        &mut self,
        sender: Role,
        input: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), HistoryError> {
        self.carry_out_commands(sender, out)?;
        if !self.is_held(sender) && !input.is_empty() {
            let mut rest = input.as_slice();
            let edited = self.with_editor(sender, |editor, conversation, at, handler| {
                let before = rest.len();
                let edited = editor.push(conversation, &mut rest, at, handler, out);
                let taken = &input[..before - rest.len()];
                tell(handler.sinks, handler.number, at, &Event::Bytes { sender, bytes: taken });
                handler.unfinished.push(taken);
                edited
            });
            let taken = input.len() - rest.len();
            self.count(sender, taken);
            input.drain(..taken);
            edited.transpose()?;
        }
        self.publish_held(sender);
        Ok(())
    }

    fn carry_out_commands(&mut self, sender: Role, out: &mut Vec<u8>) -> Result<(), HistoryError> {
        let Some((_, control)) = self.editing() else { return Ok(()) };
        let control = control.clone();
        for command in control.take_commands(sender) {
            let mut result = Ok(());
            let outcome = self.with_editor(sender, |editor, conversation, at, handler| {
                let decision = match command.action {
                    Action::Inject(new) => {
                        let injected = editor.inject(conversation, new, at, handler, out);
                        return injected.map_err(|error| error.to_string());
                    }
                    Action::Release(held, decision) => {
                        if control.held_number(sender) != Some(held) {
                            return Err("it is not held any more".into());
                        }
                        decision
                    }
                    Action::Review => match editor.held() {
                        Some((shown, payload)) => {
                            handler.acting.decide(&control, at, shown, payload)
                        }
                        None => return Ok(()),
                    },
                };
                if decision != Decision::Hold {
                    control.set_held(sender, None);
                    handler.acting.changed();
                    result = editor.release(decision, at, handler, out);
                }
                Outcome::Ok(())
            });
            // If the page has gone, no task waits.
            let _ = command.outcome.send(outcome.unwrap_or(Ok(())));
            result?;
        }
        Ok(())
    }

    /// Lets the page know what is held.
    fn publish_held(&mut self, sender: Role) {
        let Some(editing) = &mut self.editing else { return };
        let number = editing.control.held_number(sender);
        let held = editing.editor(sender).held();
        match (held, number) {
            (Some((shown, payload)), None) => {
                let (shown, payload) = (shown.clone(), Bytes::copy_from_slice(payload));
                let held = Held { number: editing.acting.next_held(), shown, payload };
                editing.control.set_held(sender, Some(held));
            }
            (None, Some(_)) => editing.control.set_held(sender, None),
            _ => return,
        }
        editing.acting.changed();
    }

    /// Ends what is edited of a direction, and appends what is left of it.
    pub(in crate::inspect) fn finish_edit(&mut self, sender: Role, out: &mut Vec<u8>) {
        let discarded =
            self.with_editor(sender, |editor, _, _, handler| editor.finish(handler, out));
        if let Some(discarded @ 1..) = discarded {
            self.note(&format!("{discarded} frames were to be sent, but the direction has ended"));
        }
        if let Some((acting, control)) = self.editing() {
            control.end(sender);
            acting.changed();
        }
    }
}
