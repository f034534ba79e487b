//! Where a request comes from, for the records of what it changes.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use tower_http::request_id::RequestId;
use vedette_store::{Actor, Author, Store, User};

use crate::{ApiState, client_address::ClientAddress};

/// The client's address and the request's id.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) address: ClientAddress,
    request_id: Option<String>,
}

impl FromRequestParts<ApiState> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Infallible> {
        let address = ClientAddress::from_request_parts(parts, state).await?;
        let id = parts.extensions.get::<RequestId>();
        let id = id.and_then(|id| id.header_value().to_str().ok());
        Ok(Self {
            address,
            request_id: id.map(str::to_owned),
        })
    }
}

impl Origin {
    /// The store in the hands of whoever sent the request.
    pub(crate) fn store(self, state: &ApiState, actor: Actor) -> Store {
        state.store.by(Author {
            actor,
            address: self.address.0,
            request_id: self.request_id,
            at: state.clock.now(),
        })
    }
}

/// A user as the one who acts.
pub(crate) fn user(user: &User) -> Actor {
    Actor::User {
        id: user.id,
        name: user.username.clone(),
    }
}
