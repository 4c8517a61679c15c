//! Settings that are out of range, and at the ends of their ranges.

use std::time::Duration;

use fullduplex_proto::{Config, DeflateConfig, KeepaliveConfig, Limits, SendConfig};

fn deflate(change: impl Fn(DeflateConfig) -> DeflateConfig) -> Config {
    Config::default().deflate(change(DeflateConfig::balanced()))
}

#[test]
fn config_that_is_out_of_range_is_an_error_with_the_settings_name() {
    let (limits, send) = (Limits::default(), SendConfig::default());
    let keepalive = KeepaliveConfig::default();
    for (setting, config) in [
        ("limits.max_fragments", Config::default().limits(limits.max_fragments(0))),
        ("limits.max_control_rate", Config::default().limits(limits.max_control_rate(0))),
        ("limits.max_message_rate", Config::default().limits(limits.max_message_rate(0))),
        ("limits.max_byte_rate", Config::default().limits(limits.max_byte_rate(0))),
        ("send.high_water", Config::default().send(send.high_water(0))),
        ("send.low_water", Config::default().send(send.low_water(64 << 10))),
        ("send.low_water", Config::default().send(send.high_water(100))),
        ("send.fragment_size", Config::default().send(send.fragment_size(0))),
        ("keepalive.interval", Config::default().keepalive_interval(Duration::ZERO)),
        ("keepalive.timeout", Config::default().keepalive(keepalive.timeout(Duration::ZERO))),
        ("idle_timeout", Config::default().idle_timeout(Duration::ZERO)),
        ("close_timeout", Config::default().close_timeout(Duration::ZERO)),
        ("deflate.level", deflate(|config| config.level(0))),
        ("deflate.level", deflate(|config| config.level(10))),
        ("deflate.memory_level", deflate(|config| config.memory_level(0))),
        ("deflate.memory_level", deflate(|config| config.memory_level(10))),
        ("deflate.send_window_bits", deflate(|config| config.send_window_bits(7))),
        ("deflate.send_window_bits", deflate(|config| config.send_window_bits(16))),
        ("deflate.receive_window_bits", deflate(|config| config.receive_window_bits(7))),
        ("deflate.receive_window_bits", deflate(|config| config.receive_window_bits(16))),
    ] {
        let error = config.validate().unwrap_err();
        assert_eq!(error.setting(), setting);
        assert!(error.to_string().starts_with(&format!("{setting} must ")), "{error}");
    }
}

#[test]
fn config_may_have_the_ends_of_its_ranges() {
    let shortest = Duration::from_nanos(1);
    let smallest = Config::default()
        .limits(Limits::default().max_fragments(1).max_control_rate(1).max_message_size(0))
        .send(SendConfig::default().high_water(1).low_water(0).fragment_size(1))
        .keepalive(KeepaliveConfig::default().interval(shortest).timeout(shortest))
        .idle_timeout(shortest)
        .close_timeout(shortest);
    let largest = Config::default()
        .limits(Limits::default().max_fragments(u32::MAX).max_control_rate(u32::MAX))
        .send(SendConfig::default().high_water(usize::MAX).low_water(usize::MAX - 1))
        .keepalive(KeepaliveConfig::default().interval(Duration::MAX).timeout(Duration::MAX))
        .idle_timeout(Duration::MAX)
        .close_timeout(Duration::MAX);
    let unlimited = Config::default().max_message_size(None).keepalive_interval(None);
    for config in [Config::default(), smallest, largest, unlimited] {
        assert_eq!(config.validate(), Ok(()));
    }
    for preset in
        [DeflateConfig::small_memory(), DeflateConfig::balanced(), DeflateConfig::smallest_bytes()]
    {
        assert_eq!(preset.validate(), Ok(()));
        let lowest = preset.level(1).memory_level(1).send_window_bits(8).receive_window_bits(8);
        let highest = preset.level(9).memory_level(9).send_window_bits(15).receive_window_bits(15);
        assert_eq!((lowest.validate(), highest.validate()), (Ok(()), Ok(())));
    }
}
