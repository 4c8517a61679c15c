//! The password of the Admin UI, and the sessions of those that have given it.

use std::collections::VecDeque;
use std::fmt;
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

    async fn is_password(&self, password: String) -> bool {
        let Ok(permit) = self.checks.clone().acquire_owned().await else { return false };
        let hash = self.hash.clone();
        let checked = spawn_blocking(move || {
            let is_password = bcrypt::verify(password, &hash).unwrap_or(false);
            // Held by the check, which goes on if no task waits for it any more.
            drop(permit);
            is_password
        });
        checked.await.unwrap_or(false)
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
        let is_password = login.is_password(password).await;
        if is_password && username == login.username {
            return Ok(AdminUser { new_session: Some(login.open_session()) });
        }
    }
    Err(ConnectError::new("invalid credentials"))
}
