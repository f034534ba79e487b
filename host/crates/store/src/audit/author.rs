//! Who makes a change, from where, and when.

use std::{net::IpAddr, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use vedette_core::{ApiKeyId, Clock as _, SystemClock, UserId};

use crate::Store;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// The installation itself: its household, or a command on its machine.
    System,
    /// Somebody who is not signed in.
    Anonymous,
    /// A user.
    User {
        /// The user.
        id: UserId,
        /// The user's name at that time.
        name: String,
    },
    /// A machine, by a key of a user.
    ApiKey {
        /// The user whose key it is.
        id: UserId,
        /// The user's name at that time.
        name: String,
        /// The key.
        key_id: ApiKeyId,
    },
}

impl Actor {
    /// The user who acts, or whose key does.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::System | Self::Anonymous => None,
            Self::User { id, .. } | Self::ApiKey { id, .. } => Some(*id),
        }
    }
}

/// Who makes a change, from where, and when.
#[derive(Debug, Clone)]
pub struct Author {
    /// Who.
    pub actor: Actor,
    /// The client's address, if it is known.
    pub address: Option<IpAddr>,
    /// The request by which it came.
    pub request_id: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

impl Author {
    /// The installation itself.
    pub fn system(at: DateTime<Utc>) -> Self {
        Self {
            actor: Actor::System,
            address: None,
            request_id: None,
            at,
        }
    }
}

impl Store {
    /// The same database in the hands of somebody, whose name the records of all changes bear that
    /// are made by it. Without, they are changes of the installation itself.
    #[must_use]
    pub fn by(&self, author: Author) -> Self {
        Self {
            author: Some(Arc::new(author)),
            ..self.clone()
        }
    }

    pub(crate) fn author(&self) -> Arc<Author> {
        let author = self.author.clone();
        author.unwrap_or_else(|| Arc::new(Author::system(SystemClock.now())))
    }
}
