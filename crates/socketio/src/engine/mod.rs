//! The Engine.IO v4 protocol: sessions that exchange messages by HTTP long-polling or a WebSocket.
