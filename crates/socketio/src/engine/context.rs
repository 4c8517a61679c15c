//! What the sessions of an engine share.

use std::ops::Deref;

use crate::engine::config::EngineConfig;
use crate::engine::counters::Counters;

/// The settings of an engine, and what its sessions count.
#[derive(Debug, Default)]
pub(crate) struct EngineContext {
    config: EngineConfig,
    pub(crate) counters: Counters,
}

impl From<EngineConfig> for EngineContext {
    fn from(config: EngineConfig) -> Self {
        Self { config, counters: Counters::default() }
    }
}

impl Deref for EngineContext {
    type Target = EngineConfig;

    fn deref(&self) -> &EngineConfig {
        &self.config
    }
}
