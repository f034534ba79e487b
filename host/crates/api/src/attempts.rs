//! Attempts to guess what only one person knows, counted by account and by address.
//!
//! An attempt counts before it is judged, so that a thousand at once are no more than one after the
//! other. Sessions are not asked: who is signed in stays so, whatever others try.

use std::{net::IpAddr, sync::Arc};

use chrono::TimeDelta;
use sha2::{Digest, Sha256};
use vedette_core::{Clock, OrgId, UserId};

use crate::{
    client_address::ClientAddress,
    problem::Problem,
    throttle::{Key, Rate, Throttle},
};

/// Wrong passwords and codes of one account: 288 a day after the first.
const ACCOUNT: Rate = Rate {
    at_once: 10,
    every: TimeDelta::minutes(5),
};

/// Wrong passwords and tokens from one address, behind which may be a whole office.
const ADDRESS: Rate = Rate {
    at_once: 60,
    every: TimeDelta::seconds(10),
};

/// Mails that anybody can have sent to an account: a mailbox must not be flooded by us.
const MAILS: Rate = Rate {
    at_once: 3,
    every: TimeDelta::minutes(20),
};

/// Logins by a provider that begin from one address, behind which may be a whole office.
const STARTS: Rate = Rate {
    at_once: 120,
    every: TimeDelta::seconds(2),
};

/// Notifications by which an organization tries its channels: whoever gets them must not be flooded by us.
const TESTS: Rate = Rate {
    at_once: 20,
    every: TimeDelta::seconds(30),
};

/// Counts the attempts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Attempts {
    throttle: Arc<dyn Throttle>,
    clock: Arc<dyn Clock>,
}

/// An attempt that may be judged. It stays counted unless it is said to be none.
#[must_use]
pub(crate) struct Attempt {
    attempts: Attempts,
    account: Option<Key>,
    address: Option<Key>,
}

impl Attempts {
    pub(crate) fn new(throttle: Arc<dyn Throttle>, clock: Arc<dyn Clock>) -> Self {
        Self { throttle, clock }
    }

    /// Somebody wants to sign in under a name, whether or not anybody has it: the same for both, so
    /// that nobody learns which. Name and address of an account are two.
    pub(crate) async fn at_login(
        &self,
        name: &str,
        from: ClientAddress,
    ) -> Result<Attempt, Problem> {
        let name = key("login", name.to_lowercase().as_bytes());
        self.take(Some(name), Some(of_address(from))).await
    }

    /// Somebody who is signed in gives the password or a code once more: it might not be the owner.
    pub(crate) async fn at_password(&self, user: UserId) -> Result<Attempt, Problem> {
        let user = key("password", user.as_uuid().as_bytes());
        self.take(Some(user), None).await
    }

    /// Somebody who has the password gives a code of the second factor. It is counted apart, because
    /// the password that was right makes good for wrong ones only.
    pub(crate) async fn at_code(&self, user: UserId) -> Result<Attempt, Problem> {
        let user = key("code", user.as_uuid().as_bytes());
        self.take(Some(user), None).await
    }

    /// Somebody comes with a token that is as good as a password.
    pub(crate) async fn at_token(&self, from: ClientAddress) -> Result<Attempt, Problem> {
        self.take(None, Some(of_address(from))).await
    }

    /// Somebody wants a mail to be sent to an account, whether or not there is one. It is no guess that
    /// can be right: nothing is given back.
    pub(crate) async fn at_mail(&self, name: &str, from: ClientAddress) -> Result<(), Problem> {
        let _stays = self.take(None, Some(of_address(from))).await?;
        let name = key("mail", name.to_lowercase().as_bytes());
        let taken = self.throttle.take(&[(name, MAILS)], self.clock.now()).await;
        taken.map_err(Problem::too_many_attempts)
    }

    /// Somebody begins a login by a provider. It is no guess, but makes the server ask and keep something.
    pub(crate) async fn at_start(&self, from: ClientAddress) -> Result<(), Problem> {
        let key = key("start", &of_address(from));
        let taken = self.throttle.take(&[(key, STARTS)], self.clock.now()).await;
        taken.map_err(Problem::too_many_attempts)
    }

    /// Somebody tries a channel of an organization.
    pub(crate) async fn at_test(&self, org: OrgId) -> Result<(), Problem> {
        let key = key("test", org.as_uuid().as_bytes());
        let taken = self.throttle.take(&[(key, TESTS)], self.clock.now()).await;
        taken.map_err(Problem::too_many_requests)
    }

    async fn take(&self, account: Option<Key>, address: Option<Key>) -> Result<Attempt, Problem> {
        let attempt = Attempt {
            attempts: self.clone(),
            account,
            address,
        };
        // What the address refuses is not judged, so that it does not count against the account.
        let taken = self.throttle.take(&attempt.taken(), self.clock.now()).await;
        taken.map_err(Problem::too_many_attempts)?;
        Ok(attempt)
    }
}

impl Attempt {
    /// It was right: nothing counts against its account any more. The address gets back this one
    /// only, or an attacker would sign in as themself now and then.
    pub(crate) async fn succeed(mut self) {
        if let Some(key) = self.account.take() {
            self.attempts.throttle.fill(key).await;
        }
        self.cancel().await;
    }

    /// It was not judged, or it was no guess: as if it had not been made.
    pub(crate) async fn cancel(self) {
        let Attempts { throttle, clock } = &self.attempts;
        throttle.give_back(&self.taken(), clock.now()).await;
    }

    fn taken(&self) -> Vec<(Key, Rate)> {
        let account = self.account.map(|key| (key, ACCOUNT));
        let address = self.address.map(|key| (key, ADDRESS));
        account.into_iter().chain(address).collect()
    }
}

fn of_address(ClientAddress(address): ClientAddress) -> Key {
    let network = match address {
        // All of whom nothing is known are one.
        None => Vec::new(),
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        // A single customer has at least so much (RFC 6177).
        Some(IpAddr::V6(address)) => address.octets()[..8].to_vec(),
    };
    key("address", &network)
}

fn key(kind: &str, value: &[u8]) -> Key {
    Sha256::new()
        .chain_update(kind)
        .chain_update([0])
        .chain_update(value)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use vedette_core::ManualClock;

    use super::*;
    use crate::throttle::LocalThrottle;

    fn from(address: &str) -> ClientAddress {
        ClientAddress(Some(address.parse().unwrap()))
    }

    fn attempts() -> (Attempts, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at("2026-11-24T12:00:00Z".parse().unwrap()));
        let throttle = Arc::new(LocalThrottle::default());
        (Attempts::new(throttle, clock.clone()), clock)
    }

    #[tokio::test]
    async fn ten_thousand_accounts_from_one_address_are_a_few() {
        let (attempts, clock) = attempts();
        let mut judged = 0;
        for number in 0..10_000 {
            let name = format!("user{number}");
            let attempt = attempts.at_login(&name, from("192.0.2.1")).await;
            judged += i32::from(attempt.is_ok());
        }
        assert_eq!(judged, ADDRESS.at_once);
        let other = attempts.at_login("user0", from("192.0.2.2")).await;
        assert!(other.is_ok(), "others are not concerned");
        clock.advance(ADDRESS.every);
        assert!(attempts.at_login("x", from("192.0.2.1")).await.is_ok());
        assert!(attempts.at_login("x", from("192.0.2.1")).await.is_err());
    }

    #[tokio::test]
    async fn one_account_from_many_addresses_is_one_account() {
        let (attempts, _) = attempts();
        let mut judged = 0;
        for number in 0..1_000 {
            let name = ["anna", "ANNA"][number % 2];
            let address = format!("192.0.{}.{}", number / 200, number % 200);
            let attempt = attempts.at_login(name, from(&address)).await;
            judged += i32::from(attempt.is_ok());
        }
        assert_eq!(judged, ACCOUNT.at_once);
    }

    #[tokio::test]
    async fn a_network_of_ipv6_is_one_address() {
        let (attempts, _) = attempts();
        let mut judged = 0;
        for number in 0..100 {
            let address = format!("2001:db8::{number:x}");
            judged += i32::from(attempts.at_token(from(&address)).await.is_ok());
        }
        assert_eq!(judged, ADDRESS.at_once);
        assert!(attempts.at_token(from("2001:db8:0:1::1")).await.is_ok());
    }

    #[tokio::test]
    async fn who_succeeds_is_never_stopped() {
        let (attempts, _) = attempts();
        for _ in 0..500 {
            let attempt = attempts.at_login("anna", from("192.0.2.1")).await;
            attempt.unwrap().succeed().await;
        }
        // Between wrong ones for another account, success gives the address no more of them.
        let mut judged = 0;
        for number in 0..500 {
            let name = format!("user{number}");
            judged += i32::from(attempts.at_login(&name, from("192.0.2.1")).await.is_ok());
            if let Ok(own) = attempts.at_login("anna", from("192.0.2.1")).await {
                own.succeed().await;
            }
        }
        assert_eq!(judged, ADDRESS.at_once);
    }

    #[tokio::test]
    async fn what_the_address_refuses_does_not_count_against_the_account() {
        let (attempts, _) = attempts();
        while attempts.at_token(from("192.0.2.1")).await.is_ok() {}
        for _ in 0..100 {
            assert!(attempts.at_login("anna", from("192.0.2.1")).await.is_err());
        }
        assert!(attempts.at_login("anna", from("192.0.2.2")).await.is_ok());
    }
}
