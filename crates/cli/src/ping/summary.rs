//! The lines at the end: counts, and the spread of the times.

use std::time::Duration;

/// What was sent and received.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    pub(super) sent: u64,
    /// In seconds.
    pub(super) times: Vec<f64>,
}

impl Summary {
    /// Adds a Pong.
    pub(super) fn received(&mut self, time: Duration) {
        self.times.push(time.as_secs_f64());
    }

    /// Returns the lines of the summary.
    pub(super) fn lines(&self, url: &str, took: Duration) -> Vec<String> {
        let received = self.times.len() as u64;
        let lost = self.sent.saturating_sub(received);
        // Rounded, as ping does.
        let percent = (lost * 100).checked_div(self.sent).unwrap_or_default();
        let (sent, ms) = (self.sent, took.as_millis());
        let mut lines = vec![
            format!("--- {url} statistics ---"),
            format!("{sent} pings sent, {received} pongs received, {percent}% loss, time {ms} ms"),
        ];
        if let Some([min, avg, max, mdev]) = self.spread() {
            lines.push(format!("rtt min/avg/max/mdev = {min:.2}/{avg:.2}/{max:.2}/{mdev:.2} ms"));
        }
        lines
    }

    /// Returns the least, average and greatest time and the standard deviation, in milliseconds.
    #[allow(clippy::cast_precision_loss, reason = "a count of Pings")]
    fn spread(&self) -> Option<[f64; 4]> {
        let count = self.times.len() as f64;
        let min = self.times.iter().copied().reduce(f64::min)?;
        let max = self.times.iter().copied().reduce(f64::max)?;
        let average = self.times.iter().sum::<f64>() / count;
        let squares = self.times.iter().map(|time| (time - average).powi(2)).sum::<f64>();
        Some([min, average, max, (squares / count).sqrt()].map(|seconds| seconds * 1e3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_has_the_loss_and_the_spread() {
        let mut summary = Summary { sent: 3, ..Summary::default() };
        summary.received(Duration::from_millis(1));
        summary.received(Duration::from_millis(3));
        let lines = summary.lines("ws://a/", Duration::from_millis(2005));
        assert_eq!(lines[1], "3 pings sent, 2 pongs received, 33% loss, time 2005 ms");
        assert_eq!(lines[2], "rtt min/avg/max/mdev = 1.00/2.00/3.00/1.00 ms");
        let none = Summary { sent: 1, ..Summary::default() };
        assert_eq!(none.lines("ws://a/", Duration::ZERO).len(), 2);
        assert!(Summary::default().lines("ws://a/", Duration::ZERO)[1].contains(" 0% loss"));
    }
}
