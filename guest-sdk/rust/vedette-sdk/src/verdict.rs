//! What a monitor says of the target.

use std::time::Duration;

use serde_json::Value;

/// Whether the target is well. Made by [`success`](Self::success) or [`failure`](Self::failure),
/// never by default.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a verdict counts only where `run` returns it"]
#[non_exhaustive]
pub struct Verdict {
    /// Whether the target is well.
    pub success: bool,
    /// What to record as the latency. `None`: the whole time of the last request that got a response.
    pub latency: Option<Duration>,
    /// A sentence for whoever is woken up: what was expected, and what came. At most 256 KiB.
    pub message: Option<String>,
    /// Kept with the execution. At most 256 KiB as JSON, and 64 levels.
    pub data: Option<Value>,
}

impl Verdict {
    /// The target is well.
    pub fn success() -> Self {
        Self {
            success: true,
            latency: None,
            message: None,
            data: None,
        }
    }

    /// The target is not well: what was expected, and what came.
    pub fn failure(message: impl Into<String>) -> Self {
        Self {
            success: false,
            ..Self::success().message(message)
        }
    }

    /// Sets the latency, such as [`Timings::total`](crate::Timings::total) of the request that matters.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = Some(latency);
        self
    }

    /// Sets the message.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Sets the data; [`serde_json::json!`] makes it of anything.
    pub fn data(mut self, data: impl Into<Value>) -> Self {
        self.data = Some(data.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_holds_what_was_set() {
        let verdict = Verdict::failure("down")
            .latency(Duration::from_millis(7))
            .data(json!({ "status": 500 }));
        assert!(!verdict.success);
        assert_eq!(verdict.latency, Some(Duration::from_millis(7)));
        assert_eq!(verdict.message.as_deref(), Some("down"));
        assert_eq!(verdict.data, Some(json!({ "status": 500 })));
        assert!(Verdict::success().success);
    }
}
