//! Groups by name.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};

use fullduplex_proto::PreparedMessage;

use crate::base::sync::Mutex;
use crate::broadcast::group::{Group, Membership, PublishReport, leave_outside_poll, lock};
use crate::connection::websocket::WebSocket;
use crate::connection::writer::delivery::LagPolicy;
use crate::transport::Transport;

/// Groups by name. Each exists while it has members. Clones are handles of the same topics.
#[derive(Clone, Debug, Default)]
#[doc(alias = "broadcast")]
#[doc(alias = "rooms")]
#[doc(alias = "subscribe")]
pub struct Topics(Arc<Mutex<HashMap<Box<str>, Group>>>);

/// A subscription of a WebSocket to a topic of [`Topics`]; it ends when this is dropped.
#[derive(Debug)]
#[must_use = "the WebSocket leaves the topic when this is dropped"]
pub struct Subscription {
    topics: Topics,
    topic: Box<str>,
    /// Taken only by `drop`.
    membership: Option<Membership>,
}

impl Topics {
    /// Creates an empty set of topics.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Group>> {
        lock(&self.0)
    }

    /// Adds a WebSocket to a topic, which exists from its first member on.
    ///
    /// See [`Group::join`] for what the application must do.
    pub fn subscribe<S: Transport>(
        &self,
        topic: &str,
        websocket: &WebSocket<S>,
        policy: LagPolicy,
    ) -> Subscription {
        let mut topics = self.lock();
        let group = match topics.get(topic) {
            Some(group) => group,
            None => topics.entry(topic.into()).or_default(),
        };
        // With the topics locked, as an empty group would be removed.
        let membership = Some(group.join(websocket, policy));
        Subscription { topics: self.clone(), topic: topic.into(), membership }
    }

    /// Returns the number of topics, all of which have members.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns whether there are no topics.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Returns the group of a topic, if it has members.
    pub fn group(&self, topic: &str) -> Option<Group> {
        self.lock().get(topic).cloned()
    }

    /// Sends a message to all members of a topic, as [`Group::publish`] does.
    pub fn publish(&self, topic: &str, message: &PreparedMessage) -> PublishReport {
        self.group(topic).map(|group| group.publish(message)).unwrap_or_default()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let (all, topic) = (self.topics.clone(), std::mem::take(&mut self.topic));
        let membership = self.membership.take();
        leave_outside_poll(move || {
            let mut topics = all.lock();
            drop(membership);
            if topics.get(&topic).is_some_and(Group::is_empty) {
                topics.remove(&topic);
            }
        });
    }
}
