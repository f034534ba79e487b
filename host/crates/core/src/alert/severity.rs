//! How much it matters that a rule fires.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::outcome::{UnknownWord, text_enum};

text_enum! {
    /// How much it matters, least first.
    Severity {
        /// Worth to know.
        Info = "info",
        /// Somebody should look, in their time.
        Warning = "warning",
        /// Somebody has to look now.
        Critical = "critical",
    }
}
