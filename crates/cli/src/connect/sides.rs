//! Standard input and output as the sides of the session of `fdx connect`: pipes, or a screen.

use std::io;

use fullduplex::WebSocket;
use http::Response;
use tokio::sync::oneshot;

use super::Args;
use crate::base::redact::redact_url;
use crate::base::signals::EndSignals;
use crate::frames::{FrameOutput, FrameTap};
use crate::pipes::{Format, InputFormat, OutputFormat, read_actions, write_events};
use crate::screen::{self, ConnectionFacts, Feed, ScreenSettings, TerminalSides};
use crate::session::{
    Action, Event, FrameSwitch, Link, QueueReceiver, QueueSender, SessionSettings,
};

/// What a session needs beside the connection.
pub(super) struct Sides {
    pub(super) settings: SessionSettings,
    pub(super) input: InputFormat,
    pub(super) output: OutputFormat,
    /// What a screen takes the place of.
    pub(super) terminals: TerminalSides,
    /// What shows frames; `None` if nothing does.
    pub(super) frames: Option<FrameTap>,
}

/// What a screen says about the connection.
pub(super) struct Title {
    /// The first line.
    greeting: String,
    /// What was negotiated, for `/info`.
    negotiated: Vec<(&'static str, String)>,
}

impl Title {
    /// Returns the title of an open connection.
    pub(super) fn connected(url: &str, websocket: &WebSocket, response: &Response<()>) -> Self {
        let none = || "none".to_owned();
        let url = redact_url(url);
        let version = format!("{:?}", response.version());
        let subprotocol = websocket.subprotocol();
        let deflate = websocket.deflate().map(|deflate| deflate.to_string());
        let more = |name: &str, value: Option<&str>| {
            value.map_or_else(String::new, |value| format!(", {name} {value}"))
        };
        let subprotocols = more("subprotocol", subprotocol);
        let compression = more("compression", deflate.as_deref());
        let greeting = format!(
            "connected to {url} by {version}{subprotocols}{compression}; /help lists commands, \
             Ctrl-D closes"
        );
        let negotiated = vec![
            ("connected to", url),
            ("by", version),
            ("subprotocol", subprotocol.map_or_else(none, str::to_owned)),
            ("compression", deflate.unwrap_or_else(none)),
        ];
        Self { greeting, negotiated }
    }

    /// Returns the title of connections that are yet to be opened.
    pub(super) fn reconnecting(url: &str) -> Self {
        let url = redact_url(url);
        let greeting = format!("connecting to {url}; /help lists commands, Ctrl-D closes");
        Self { greeting, negotiated: vec![("connecting to", url)] }
    }
}

impl Sides {
    /// Returns which of standard input and output are terminals whose messages are for a person.
    pub(super) fn terminals(input: InputFormat, output: OutputFormat) -> TerminalSides {
        let is_for_people = |format| matches!(format, Format::Lines | Format::Raw);
        let terminals = TerminalSides::of_process();
        let is_plain = !input.is_one_message && input.line_end == b'\n';
        TerminalSides {
            is_input: terminals.is_input && is_for_people(input.format) && is_plain,
            is_output: terminals.is_output && is_for_people(output.format),
        }
    }

    /// Returns what shows frames: always at a screen, which can be told to show them, else if it is
    /// wanted.
    pub(super) fn frame_tap(terminals: TerminalSides, is_wanted: bool) -> Option<FrameTap> {
        let output = match terminals.is_output {
            true => FrameOutput::screen(),
            false if is_wanted => FrameOutput::stderr(),
            false => return None,
        };
        Some(FrameTap { switch: FrameSwitch::new(is_wanted), output })
    }

    /// Returns how a screen begins.
    pub(super) fn screen_settings(
        &self,
        args: &Args,
        title: Title,
        link: &Link,
        signals: &EndSignals,
    ) -> ScreenSettings {
        let is_greeted = self.terminals.is_input && !args.quiet;
        ScreenSettings {
            args: args.screen.clone(),
            profile: args.client.options.profile.clone(),
            greeting: if is_greeted { title.greeting } else { String::new() },
            facts: ConnectionFacts { negotiated: title.negotiated, stats: link.stats_source() },
            sends_binary: self.input.format == Format::Raw,
            interrupter: signals.interrupter(),
            frames: self.frames.as_ref().map(|tap| tap.switch.clone()),
        }
    }

    /// Starts both sides. What is returned is ready when all is written, or writing has failed.
    pub(super) fn start(
        &self,
        args: &Args,
        screen: ScreenSettings,
        actions: QueueSender<Action>,
        events: QueueReceiver<Event>,
    ) -> oneshot::Receiver<io::Result<()>> {
        let TerminalSides { is_input, is_output } = self.terminals;
        if is_input && is_output {
            return screen::start(screen, Some(actions), Feed::One(events));
        }
        if is_output {
            read_actions(self.input, actions);
            return screen::start(screen, None, Feed::One(events));
        }
        if is_input {
            // It ends with the session.
            screen::start(screen, Some(actions), Feed::None);
        } else {
            read_actions(self.input, actions);
        }
        write_events(self.output, args.quiet, events)
    }
}
