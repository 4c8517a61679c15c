//! What became of the wish to be in a room.

/// What became of a call of [`Socket::join`](crate::Socket::join).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JoinOutcome {
    /// The socket has joined the room.
    Joined,
    /// The socket was in the room before.
    AlreadyJoined,
    /// The socket is in [`max_rooms`](crate::SocketIoBuilder::max_rooms) rooms, and in this one it
    /// is not.
    TooManyRooms,
    /// The name is longer than [`max_room_name`](crate::SocketIoBuilder::max_room_name).
    NameTooLong,
    /// The socket is disconnected.
    Disconnected,
}

impl JoinOutcome {
    /// Returns whether the socket is in the room now.
    pub fn is_in_room(self) -> bool {
        matches!(self, Self::Joined | Self::AlreadyJoined)
    }
}
