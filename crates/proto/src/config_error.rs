//! The error of a setting that is out of range.

use core::fmt;
use core::time::Duration;

/// The error of a setting whose value is out of range.
///
/// ```
/// use fullduplex_proto::Config;
///
/// let error = Config::default().close_timeout(core::time::Duration::ZERO).validate().unwrap_err();
/// assert!(error.to_string().contains("close_timeout"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError {
    setting: &'static str,
    rule: &'static str,
}

impl ConfigError {
    /// Creates the error of a setting that must keep this rule, such as "not be zero".
    pub const fn new(setting: &'static str, rule: &'static str) -> Self {
        Self { setting, rule }
    }

    /// Returns an error if a rule is not kept.
    ///
    /// # Errors
    /// That of the setting, if `is_kept` is false.
    pub fn require(is_kept: bool, setting: &'static str, rule: &'static str) -> Result<(), Self> {
        if is_kept { Ok(()) } else { Err(Self::new(setting, rule)) }
    }

    /// Returns an error if a time is zero.
    ///
    /// # Errors
    /// That of the setting, if its value is zero.
    pub fn require_time(value: Duration, setting: &'static str) -> Result<(), Self> {
        Self::require(!value.is_zero(), setting, "not be zero")
    }

    /// Returns the name of the setting, such as `deflate.level`.
    pub const fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must {}", self.setting, self.rule)
    }
}

impl core::error::Error for ConfigError {}
