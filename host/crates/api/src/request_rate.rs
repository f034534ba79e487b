//! How many requests a user, and an organization, may make: so that one client that runs wild does not
//! slow down the others. What guesses passwords is counted apart, in `attempts`.

use std::sync::Arc;

use chrono::TimeDelta;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use vedette_core::{Clock, OrgId, UserId};

use crate::{
    problem::Problem,
    throttle::{Key, Rate, Throttle},
};

/// Users of an organization who may be busy at once.
const USERS_OF_ORGANIZATION: i32 = 4;

/// Counts the requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RequestRate {
    throttle: Arc<dyn Throttle>,
    clock: Arc<dyn Clock>,
    /// Of a user, then of an organization; `None`: any number.
    rates: Option<(Rate, Rate)>,
}

impl RequestRate {
    pub(crate) fn new(per_minute: u32, throttle: Arc<dyn Throttle>, clock: Arc<dyn Clock>) -> Self {
        let rate = |times: i32| {
            let at_once = i32::try_from(per_minute).ok()?.checked_mul(times)?;
            let every = TimeDelta::minutes(1).checked_div(at_once)?;
            Some(Rate { at_once, every })
        };
        Self {
            throttle,
            clock,
            rates: rate(1).zip(rate(USERS_OF_ORGANIZATION)),
        }
    }

    /// Counts a request of a caller who is known by now.
    pub(crate) async fn count(&self, user: UserId, org: Option<OrgId>) -> Result<(), Problem> {
        let Some((of_user, of_org)) = self.rates else {
            return Ok(());
        };
        let now = self.clock.now();
        let user = (key("user", user.as_uuid()), of_user);
        let org = org.map(|org| (key("organization", org.as_uuid()), of_org));
        let buckets: Vec<_> = [user].into_iter().chain(org).collect();
        let taken = self.throttle.take(&buckets, now).await;
        taken.map_err(Problem::too_many_requests)
    }
}

fn key(kind: &str, id: Uuid) -> Key {
    Sha256::new()
        .chain_update(kind)
        .chain_update([0])
        .chain_update(id.as_bytes())
        .finalize()
        .into()
}
