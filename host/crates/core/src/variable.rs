//! Variables that an organization keeps for its scripts, and what a run is given of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{
    ScriptError,
    outcome::{UnknownWord, text_enum},
    script::{MAX_ENV_NAME_BYTES, MAX_ENV_VARS, is_env_name},
    sealed::{MIN_SEALED_BYTES, SealedSecret},
};

#[cfg(test)]
mod tests;

/// Most variables of one level: of an organization, of a project, of a script.
pub const MAX_VARIABLES: u32 = 100;
/// Largest value of a variable, in bytes: room for a private key or a chain of certificates.
pub const MAX_VARIABLE_BYTES: usize = 16 * 1024;
/// All values of one level together, in bytes. Each run that waits holds a copy of three levels.
pub const MAX_LEVEL_BYTES: usize = 128 * 1024;
/// Most variables of a run: three levels, and the script's own.
pub const MAX_VARIABLES_OF_RUN: usize = 3 * MAX_VARIABLES as usize + MAX_ENV_VARS;
/// Shortest secret, in bytes: a shorter one could not be masked, because it is everywhere.
pub const MIN_SECRET_BYTES: usize = 4;
/// Longest description, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 1_000;

text_enum! {
    /// How a variable is kept.
    VariableKind {
        /// As it is; whoever may read scripts may read it.
        Plain = "plain",
        /// Encrypted; given to runs and to nobody else, and masked in what they leave.
        Secret = "secret",
        /// Encrypted; runs are given a handle, in the place of which the host puts the value into
        /// requests to certain hosts.
        Sealed = "sealed",
    }
}

/// The variables of a run, merged. `Debug` shows no value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// By name.
    pub values: BTreeMap<String, String>,
    /// The names of those that are secret.
    pub secrets: BTreeSet<String>,
    /// Those that the run does not see, by name; none of them is among `values`.
    pub sealed: BTreeMap<String, SealedSecret>,
}

impl Environment {
    /// Puts a variable over one of the same name, as it is.
    pub fn set(&mut self, name: &str, value: &str) {
        self.secrets.remove(name);
        self.sealed.remove(name);
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// Puts a secret over a variable of the same name.
    pub fn set_secret(&mut self, name: &str, value: &str) {
        self.set(name, value);
        self.secrets.insert(name.to_owned());
    }

    /// Puts a sealed secret over a variable of the same name.
    pub fn set_sealed(&mut self, name: &str, secret: SealedSecret) {
        self.secrets.remove(name);
        self.values.remove(name);
        self.sealed.insert(name.to_owned(), secret);
    }

    /// Puts plain variables over those of the same names.
    pub fn set_all(&mut self, plain: BTreeMap<String, String>) {
        if self.values.is_empty() && self.sealed.is_empty() {
            self.values = plain;
            return;
        }
        for (name, value) in plain {
            self.set(&name, &value);
        }
    }
}

impl From<BTreeMap<String, String>> for Environment {
    /// All of them plain.
    fn from(values: BTreeMap<String, String>) -> Self {
        Self {
            values,
            ..Self::default()
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.values.keys().chain(self.sealed.keys());
        f.debug_set().entries(names).finish()
    }
}

/// Accepts the name of an environment variable, as [`crate::script::check_env_vars`] does.
pub fn check_variable_name(name: &str) -> Result<(), ScriptError> {
    if is_env_name(name) {
        return Ok(());
    }
    let reason = format!(
        "a name has letters, digits and underscores, does not begin with a digit, and is at most \
         {MAX_ENV_NAME_BYTES} bytes long"
    );
    Err(ScriptError::new("/name", reason))
}

/// Accepts a value within the limits of its kind.
pub fn check_value(kind: VariableKind, value: &str) -> Result<(), ScriptError> {
    let bytes = value.len();
    if bytes > MAX_VARIABLE_BYTES {
        let reason =
            format!("the value has {bytes} bytes, at most {MAX_VARIABLE_BYTES} are allowed");
        return Err(ScriptError::new("/value", reason));
    }
    let least = match kind {
        VariableKind::Plain => 0,
        VariableKind::Secret => MIN_SECRET_BYTES,
        VariableKind::Sealed => MIN_SEALED_BYTES,
    };
    if bytes < least {
        let reason = format!(
            "a value of this kind has at least {least} bytes: a shorter one could not be masked in \
             logs and results"
        );
        return Err(ScriptError::new("/value", reason));
    }
    if value.contains('\0') {
        let reason = "the value must not contain a NUL character";
        return Err(ScriptError::new("/value", reason));
    }
    Ok(())
}

/// Accepts at most [`MAX_DESCRIPTION_CHARS`] characters; of control characters, line breaks only.
pub fn check_description(text: &str) -> Result<(), ScriptError> {
    let chars = text.chars().count();
    if chars > MAX_DESCRIPTION_CHARS {
        let reason = format!(
            "the description has {chars} characters, at most {MAX_DESCRIPTION_CHARS} are allowed"
        );
        return Err(ScriptError::new("/description", reason));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        let reason = "of control characters, the description may have line breaks only";
        return Err(ScriptError::new("/description", reason));
    }
    Ok(())
}
