//! How many locations have to agree before a rule fires.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::machine::Change;
use crate::{
    ScriptError,
    outcome::{UnknownWord, text_enum},
};

#[cfg(test)]
mod tests;

/// Most locations that a rule may ask for.
pub const MAX_LOCATIONS: u32 = 50;

text_enum! {
    /// What one location says, or all of them together.
    Standing {
        /// The rule does not fire.
        Ok = "ok",
        /// The rule fires.
        Firing = "firing",
        /// There is nothing to go by: what held before still holds.
        Unknown = "unknown",
    }
}

impl Standing {
    /// What changes when this comes after `before`, which is the last one that was not unknown.
    ///
    /// That is kept with the rule, and not read from its incident: what a person resolved while the
    /// rule was firing is to begin again only when the rule has recovered and fires once more.
    pub fn change_from(self, before: Self) -> Option<Change> {
        match (before, self) {
            (Self::Ok | Self::Unknown, Self::Firing) => Some(Change::Fired),
            (Self::Firing, Self::Ok) => Some(Change::Recovered),
            _ => None,
        }
    }
}

/// How many of the locations that have something to say have to fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quorum {
    /// One of them.
    Any,
    /// More than half of them.
    Majority,
    /// All of them.
    All,
    /// So many, 1 to [`MAX_LOCATIONS`]; all where fewer have something to say.
    AtLeast(u32),
}

impl Quorum {
    /// Reads `"any"`, `"majority"`, `"all"` or a number.
    ///
    /// # Errors
    /// Anything else, with the pointer `/quorum`.
    pub fn read(value: &Value) -> Result<Self, ScriptError> {
        let number = value.as_f64().filter(|number| number.fract() == 0.0);
        match (value.as_str(), number) {
            (Some("any"), _) => Ok(Self::Any),
            (Some("majority"), _) => Ok(Self::Majority),
            (Some("all"), _) => Ok(Self::All),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole, and within bounds that fit"
            )]
            (_, Some(number)) if (1.0..=f64::from(MAX_LOCATIONS)).contains(&number) => {
                Ok(Self::AtLeast(number as u32))
            }
            _ => {
                let reason = format!(
                    "the quorum must be any, majority, all or a whole number from 1 to \
                     {MAX_LOCATIONS}"
                );
                Err(ScriptError::new("/quorum", reason))
            }
        }
    }

    /// What [`Self::read`] reads.
    pub fn to_json(self) -> Value {
        match self {
            Self::Any => "any".into(),
            Self::Majority => "majority".into(),
            Self::All => "all".into(),
            Self::AtLeast(number) => number.into(),
        }
    }

    /// What the locations say together. Those that are unknown have no vote: they make nothing
    /// fire and nothing recover, and they cannot keep the others from it either.
    pub fn judge(self, locations: impl IntoIterator<Item = Standing>) -> Standing {
        let (mut voters, mut firing) = (0_u32, 0_u32);
        for standing in locations {
            voters += u32::from(standing != Standing::Unknown);
            firing += u32::from(standing == Standing::Firing);
        }
        let needed = match self {
            Self::Any => 1,
            Self::Majority => voters / 2 + 1,
            Self::All => voters,
            Self::AtLeast(number) => number.clamp(1, voters.max(1)),
        };
        if voters == 0 {
            Standing::Unknown
        } else if firing >= needed {
            Standing::Firing
        } else {
            Standing::Ok
        }
    }
}
