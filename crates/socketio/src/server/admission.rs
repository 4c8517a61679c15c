//! How a client is let into a namespace.

use std::sync::Arc;

use tokio::time::timeout;

use super::change::Change;
use super::cores::{ConnectionCore, NamespaceCore, SocketCore, User};
use super::request::{ConnectError, ConnectRequest};
use crate::id::SocketId;
use crate::trace;
use crate::value::Value;

/// Lets a client into a namespace, if it may.
pub(super) async fn admit(
    namespace: Arc<NamespaceCore>,
    connection: Arc<ConnectionCore>,
    request: ConnectRequest,
) -> Result<Arc<SocketCore>, ConnectError> {
    let handlers = namespace.handlers.clone();
    let limit = connection.shared.config.connect_timeout;
    let user = match timeout(limit, handlers.authenticate(request.clone())).await {
        Ok(user) => user?,
        Err(_) => return Err(ConnectError::new("connect timeout")),
    };
    let recovered = if namespace.recovery().is_some()
        && let Some((private_id, offset)) = private_id(&request)
    {
        recover(&namespace, &connection, private_id, offset.as_deref(), &user).await
    } else {
        None
    };
    let core = recovered.unwrap_or_else(|| namespace.admit(&connection, user));
    connection.shared.counters.connected();
    trace::connected(&core.span, core.is_recovered);
    connection.shared.observe_change(|| Change::Connected(core.clone()));
    Ok(core)
}

/// Lets a client in that comes back, if it can recover.
async fn recover(
    namespace: &Arc<NamespaceCore>,
    connection: &Arc<ConnectionCore>,
    private_id: SocketId,
    offset: Option<&str>,
    user: &User,
) -> Option<Arc<SocketCore>> {
    match namespace.recover(connection, private_id, offset, user).await {
        Ok(core) => Some(core),
        Err(why) => {
            connection.shared.counters.recovery_ended(why);
            trace::not_recovered(namespace.name(), why.as_str());
            None
        }
    }
}

/// Returns what a client that comes back says of itself: its secret, and the last offset that it
/// has seen.
fn private_id(request: &ConnectRequest) -> Option<(SocketId, Option<String>)> {
    let auth: Value = request.auth().ok()?;
    let id = SocketId::parse(auth.get("pid")?.as_str()?)?;
    let offset = auth.get("offset").and_then(Value::as_str).map(str::to_owned);
    Some((id, offset))
}
