//! The words of filters.

/// Declares an enumeration whose values have names in filters.
macro_rules! words {
    ($(#[$doc:meta])* $enum:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $enum {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $enum {
            pub(super) const NAMES: &'static [&'static str] = &[$($name),*];

            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            pub(super) fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// A kind of row.
    Kind {
        /// A frame of this opcode, or the end of such a message.
        Text = "text",
        Binary = "binary",
        Continuation = "continuation",
        Close = "close",
        Ping = "ping",
        Pong = "pong",
        Reserved = "reserved",
        /// A frame of a control opcode.
        Control = "control",
        /// Any frame.
        Frame = "frame",
        /// A frame with which a message is complete.
        Message = "message",
        /// The end of a direction.
        End = "end",
        Note = "note",
    }
}

words! {
    /// What a row may have.
    Flag {
        Fin = "fin",
        Rsv1 = "rsv1",
        Rsv2 = "rsv2",
        Rsv3 = "rsv3",
        Mask = "mask",
        /// A length that is not in its shortest form.
        LongLength = "longlength",
        /// More than one fragment.
        Fragments = "fragments",
        /// Compression.
        Deflate = "deflate",
        /// A payload that is kept.
        Payload = "payload",
        /// A round trip.
        RoundTrip = "rtt",
        /// A violation of a rule.
        Bad = "bad",
        /// Being ignored by the receiver.
        Ignored = "ignored",
        Dropped = "dropped",
        Replaced = "replaced",
        Injected = "injected",
        /// Secrets that were hidden, or might be there.
        Redacted = "redacted",
    }
}

impl Flag {
    /// The flags that need no `has:`.
    pub(super) const ALONE: [Self; 5] =
        [Self::Bad, Self::Ignored, Self::Dropped, Self::Replaced, Self::Injected];
}

words! {
    /// A number of a row.
    Count {
        /// The bytes of the payload, decompressed.
        Size = "size",
        /// The bytes of the payload on the wire.
        Wire = "wire",
        Fragments = "fragments",
        /// The code of a Close.
        Code = "code",
        Opcode = "opcode",
        Socket = "socket",
        Row = "row",
    }
}

words! {
    /// A time of a row.
    Time {
        /// The time since the WebSocket was opened.
        At = "time",
        RoundTrip = "rtt",
        /// From the first byte of a frame or message to its last.
        Took = "took",
    }
}

words! {
    /// A text of a WebSocket.
    Words {
        Host = "host",
        Path = "path",
        Url = "url",
        Subprotocol = "subprotocol",
        Version = "version",
    }
}

/// Returns all words that a term may begin with.
pub(super) fn beginnings() -> Vec<String> {
    let alone = Flag::ALONE.iter().map(|flag| flag.name().to_owned());
    let fields = Count::NAMES.iter().chain(Time::NAMES);
    let begins: Vec<String> = ["dir:", "kind:", "has:"]
        .map(str::to_owned)
        .into_iter()
        .chain(fields.map(|name| format!("{name}>")))
        .chain(["ratio<".to_owned()])
        .chain(Words::NAMES.iter().map(|name| format!("{name}:")))
        .chain(["format:", "json.", "tree.", "~/regex/", "\"text\"", "not", "("].map(str::to_owned))
        .chain(alone)
        .collect();
    begins
}
