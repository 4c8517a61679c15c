//! Groups by name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, MutexGuard, Weak};

use fullduplex_proto::PreparedMessage;

use crate::base::guard;
use crate::base::guard::DeferredDrop;
use crate::base::sync::Mutex;
use crate::broadcast::group::{Group, Membership, PublishReport, leave_outside_poll, lock};
use crate::connection::split::SendHalf;
use crate::connection::websocket::WebSocket;
use crate::connection::writer::delivery::{Deliver, LagPolicy};
use crate::transport::Transport;

/// Groups by name. Each exists while it has members. Clones are handles of the same topics.
///
/// ```
/// use fullduplex::broadcast::{LagPolicy, Topics};
/// use fullduplex::{PreparedMessage, WebSocket};
///
/// /// A client sends the names of the topics that it wants.
/// async fn feed(mut websocket: WebSocket, topics: Topics) -> Result<(), fullduplex::Error> {
///     let mut subscriptions = Vec::new();
///     while let Some(message) = websocket.next().await {
///         if let Some(topic) = message?.as_text() {
///             subscriptions.push(topics.subscribe(topic, &websocket, LagPolicy::DropNewest));
///         }
///     }
///     Ok(())
/// }
///
/// fn publish(topics: &Topics) {
///     topics.publish("prices", &PreparedMessage::new("42"));
///     topics.publish_to_all(&PreparedMessage::new("the exchange closes"));
/// }
/// ```
#[derive(Clone, Debug, Default)]
#[doc(alias = "broadcast")]
#[doc(alias = "rooms")]
#[doc(alias = "pub/sub")]
#[doc(alias = "pubsub")]
#[doc(alias = "channels")]
pub struct Topics(Arc<Mutex<HashMap<Box<str>, Group>>>);

/// A subscription of a WebSocket to a topic of [`Topics`]; it ends when this is dropped.
///
/// ```
/// use std::collections::HashMap;
///
/// use fullduplex::WebSocket;
/// use fullduplex::broadcast::{LagPolicy, Subscription, Topics};
///
/// /// What a client has subscribed to, so that it can end each one.
/// #[derive(Default)]
/// struct Subscriptions(HashMap<String, Subscription>);
///
/// impl Subscriptions {
///     fn subscribe(&mut self, topics: &Topics, topic: &str, websocket: &WebSocket) {
///         let subscription = topics.subscribe(topic, websocket, LagPolicy::DropNewest);
///         self.0.insert(topic.to_owned(), subscription);
///     }
///
///     fn unsubscribe(&mut self, topic: &str) {
///         self.0.remove(topic);
///     }
/// }
/// ```
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
        self.subscribe_half(topic, websocket.send_half(), policy)
    }

    /// Adds a WebSocket to a topic by its sending half.
    pub fn subscribe_half<S: Transport>(
        &self,
        topic: &str,
        send: &SendHalf<S>,
        policy: LagPolicy,
    ) -> Subscription {
        let mut topics = self.lock();
        let group = match topics.get(topic) {
            Some(group) => group,
            None => topics.entry(topic.into()).or_default(),
        };
        // With the topics locked, as an empty group would be removed.
        let membership = Some(group.join_half(send, policy));
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

    /// Returns the names of the topics, in no particular order. All of them have members.
    #[doc(alias = "list")]
    pub fn names(&self) -> Vec<String> {
        self.lock().keys().map(ToString::to_string).collect()
    }

    /// Returns the group of a topic, if it has members.
    pub fn group(&self, topic: &str) -> Option<Group> {
        self.lock().get(topic).cloned()
    }

    /// Sends a message to all members of a topic, as [`Group::publish`] does.
    #[doc(alias = "broadcast")]
    pub fn publish(&self, topic: &str, message: &PreparedMessage) -> PublishReport {
        self.group(topic).map(|group| group.publish(message)).unwrap_or_default()
    }

    /// Sends a message to all members of a topic, in place of an unsent one with this key, as
    /// [`Group::publish_keyed`] does.
    pub fn publish_keyed(&self, topic: &str, key: u64, message: &PreparedMessage) -> PublishReport {
        self.group(topic).map(|group| group.publish_keyed(key, message)).unwrap_or_default()
    }

    /// Sends a message to all members of a topic except one, as [`Group::publish_except`] does. A
    /// subscription to another topic leaves out no one.
    pub fn publish_except(
        &self,
        topic: &str,
        message: &PreparedMessage,
        except: &Subscription,
    ) -> PublishReport {
        let Some(group) = self.group(topic) else { return PublishReport::default() };
        match &except.membership {
            Some(except) => group.publish_except(message, except),
            None => group.publish(message),
        }
    }

    /// Sends a message to all members of a topic except one, in place of an unsent one with this
    /// key, as [`Group::publish_keyed_except`] does. A subscription to another topic leaves out no
    /// one.
    pub fn publish_keyed_except(
        &self,
        topic: &str,
        key: u64,
        message: &PreparedMessage,
        except: &Subscription,
    ) -> PublishReport {
        let Some(group) = self.group(topic) else { return PublishReport::default() };
        match &except.membership {
            Some(except) => group.publish_keyed_except(key, message, except),
            None => group.publish_keyed(key, message),
        }
    }

    /// Sends a message to the members of all topics, once to a WebSocket that is in several.
    ///
    /// If a transport calls this while it is polled, the message is published right after the poll,
    /// and the report is empty.
    pub fn publish_to_all(&self, message: &PreparedMessage) -> PublishReport {
        let mut report = PublishReport::default();
        if guard::polls_transport() {
            let (topics, message) = (self.clone(), message.clone());
            let publish = move || {
                let _ = topics.publish_to_all(&message);
            };
            guard::defer_drop(DeferredDrop::Call(Box::new(publish)));
            return report;
        }
        let groups: Vec<Group> = self.lock().values().cloned().collect();
        // With a reference to each member, so that no new one is taken for one that has ended.
        let mut reached: HashMap<*const (), Weak<dyn Deliver>> = HashMap::new();
        for group in groups {
            report.add(group.publish_to(message, None, None, |_, member| {
                let entry = reached.entry(Weak::as_ptr(member).cast());
                let is_new = matches!(entry, Entry::Vacant(_));
                entry.or_insert_with(|| member.clone());
                is_new
            }));
        }
        report
    }
}

impl Subscription {
    /// Returns the name of the topic.
    pub fn topic(&self) -> &str {
        &self.topic
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
