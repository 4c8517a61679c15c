//! A mutex without poisoning.

use std::sync::{self, MutexGuard, PoisonError, TryLockError};

/// A mutex that is locked as ever after a panic of one that held it. Foreign code runs under none
/// of the library's locks but that of a transport, so a panic leaves nothing half changed; and
/// where one does come out, it shall not take the other users of the mutex with it.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    /// Returns what the mutex has; as nothing else can use it meanwhile, it is not locked.
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other thread holds the mutex.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns `None` where the mutex is held, by this thread or another one.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(value) => Some(value),
            Err(TryLockError::Poisoned(value)) => Some(value.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
