//! The password of the Admin UI, and the sessions of those that have given it.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bcrypt::HashParts;
use fullduplex::ConfigError;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::id::SocketId;
use crate::server::request::{ConnectError, ConnectRequest};

/// How many UIs are remembered that were let in.
const MAX_SESSIONS: usize = 1000;

/// A name and a password, and the UIs that have given them.
pub(super) struct Login {
    username: String,
    hash: String,
    sessions: Mutex<VecDeque<String>>,
    /// One password is checked at a time, as that takes long by design.
    checks: Arc<Semaphore>,
    /// The addresses that wait for a check, each for one: an address that guesses does not keep
    /// others waiting.
    waiting: Arc<Mutex<HashSet<Option<IpAddr>>>>,
}

/// A UI that was let in.
#[derive(Debug)]
pub(super) struct AdminUser {
    /// What it may give in place of the password from now on.
    pub(super) new_session: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Auth {
    session_id: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Login {
    pub(super) fn new(username: &str, hash: &str) -> Result<Self, ConfigError> {
        let is_hash = hash.parse::<HashParts>().is_ok();
        ConfigError::require(is_hash, "hash", "be a hash of bcrypt")?;
        Ok(Self {
            username: username.to_owned(),
            hash: hash.to_owned(),
            sessions: Mutex::default(),
            checks: Arc::new(Semaphore::new(1)),
            waiting: Arc::default(),
        })
    }

    fn has_session(&self, id: &str) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().any(|session| session == id)
    }

    fn open_session(&self) -> String {
        let session = SocketId::random().to_string();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() == MAX_SESSIONS {
            sessions.pop_front();
        }
        sessions.push_back(session.clone());
        session
    }

    async fn is_password(
        &self,
        password: String,
        address: Option<IpAddr>,
    ) -> Result<bool, ConnectError> {
        let turn = Turn::take(self.waiting.clone(), address)
            .ok_or_else(|| ConnectError::new("another login from this address is being checked"))?;
        let Ok(permit) = self.checks.clone().acquire_owned().await else { return Ok(false) };
        let hash = self.hash.clone();
        let checked = spawn_blocking(move || {
            let is_password = bcrypt::verify(password, &hash).unwrap_or(false);
            // Held by the check, which goes on if no task waits for it any more.
            drop((permit, turn));
            is_password
        });
        Ok(checked.await.unwrap_or(false))
    }
}

/// The turn of an address to have a password checked, until it is dropped.
struct Turn {
    waiting: Arc<Mutex<HashSet<Option<IpAddr>>>>,
    address: Option<IpAddr>,
}

impl Turn {
    /// Returns the turn of an address; `None` if it has one already.
    fn take(waiting: Arc<Mutex<HashSet<Option<IpAddr>>>>, address: Option<IpAddr>) -> Option<Self> {
        let is_new = waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(address);
        is_new.then_some(Self { waiting, address })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.address);
    }
}

/// Lets a UI in that has a session or the password.
pub(super) async fn log_in(
    login: Option<Arc<Login>>,
    request: ConnectRequest,
) -> Result<AdminUser, ConnectError> {
    let Some(login) = login else { return Ok(AdminUser { new_session: None }) };
    let auth: Auth = request.auth()?;
    if auth.session_id.is_some_and(|id| login.has_session(&id)) {
        return Ok(AdminUser { new_session: None });
    }
    if let (Some(username), Some(password)) = (auth.username, auth.password) {
        // Checked for a wrong name as well, so that the time does not tell which of both is wrong.
        let is_password = login.is_password(password, request.peer().ip()).await?;
        if is_password && username == login.username {
            return Ok(AdminUser { new_session: Some(login.open_session()) });
        }
    }
    Err(ConnectError::new("invalid credentials"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_of_an_address_are_checked_one_at_a_time() {
        let waiting = Arc::default();
        let take = |address: [u8; 4]| Turn::take(Arc::clone(&waiting), Some(address.into()));
        let turn = take([127, 0, 0, 1]);
        assert!(turn.is_some() && take([127, 0, 0, 1]).is_none());
        assert!(take([127, 0, 0, 2]).is_some());
        drop(turn);
        assert!(take([127, 0, 0, 1]).is_some());
        assert!(waiting.lock().expect("no panic").is_empty());
    }
}
