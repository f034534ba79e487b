//! Names whose answers change from one question to the next, in every order.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use vedette_egress::{FetchError, Stage};

use super::{
    Outcome,
    dns::{A, AAAA, Reply},
    world::{PUBLIC, PUBLIC_V6, Sent, World, fetch, get, ok},
};

/// Names of the test; each is asked for three times, which makes ten thousand look-ups.
const ROUNDS: u64 = 3_334;

const PRIVATE: &[&str] = &[
    "127.0.0.1",
    "10.0.0.1",
    "169.254.169.254",
    "192.168.1.1",
    "100.100.100.200",
    "0.0.0.0",
    "::1",
    "fd00:ec2::254",
    "::ffff:127.0.0.1",
    "64:ff9b::a9fe:a9fe",
];

/// The same numbers each time (splitmix64), so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap() % sides
    }

    /// One to four addresses of one family, half of the time all public.
    fn addresses(&mut self, kind: u16) -> Vec<IpAddr> {
        let (public, bad): (IpAddr, Vec<IpAddr>) = {
            let of_kind = |address: &IpAddr| address.is_ipv4() == (kind == A);
            let bad = PRIVATE.iter().map(|text| text.parse().unwrap());
            let public = if kind == A { PUBLIC } else { PUBLIC_V6 };
            (public, bad.filter(of_kind).collect())
        };
        let all_public = self.roll(2) == 0;
        (0..=self.roll(4))
            .map(|_| {
                if all_public || self.roll(2) == 0 {
                    public
                } else {
                    bad[self.roll(bad.len())]
                }
            })
            .collect()
    }
}

/// Each time anew, a name answers with public and private addresses in random number and order:
/// a request succeeds when all that its look-up saw was public, and is refused otherwise.
pub(crate) async fn rounds() -> Vec<Outcome> {
    let world = World::answering(|_| ok()).await;
    let guard = world.guard();
    let (mut allowed, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let name = format!("round{round}.example.com");
        let dice = Arc::new(Mutex::new(Dice(round)));
        // What was said since the last look.
        let said: Arc<Mutex<Vec<IpAddr>>> = Arc::default();
        let saying = said.clone();
        world.names.script(&name, move |kind, _| {
            let mut dice = dice.lock().unwrap();
            let addresses = match kind {
                // Every third name has no IPv6 address, as most have not.
                AAAA if round % 3 == 0 => Vec::new(),
                kind => dice.addresses(kind),
            };
            saying.lock().unwrap().extend(&addresses);
            Reply::addresses(&addresses)
        });
        for turn in 0..3 {
            // A session of its own: one that keeps a connection asks nothing.
            let session = guard.session(vedette_egress::SessionLimits::default());
            let (answer, sent) = fetch(&session, get(format!("http://{name}/"))).await;
            let said = std::mem::take(&mut *said.lock().unwrap());
            assert!(!said.is_empty(), "{name} was not asked for");
            let all_public = said.iter().all(|it| [PUBLIC, PUBLIC_V6].contains(it));
            let arrived = world.take_connections();
            let told = format!("round {round}.{turn} {said:?}: {answer:?} {sent:?} {arrived:?}");
            if all_public {
                allowed += 1;
                assert!(answer.is_ok() && !arrived.is_empty(), "{told}");
            } else {
                refused += 1;
                let is_refusal = matches!(
                    answer,
                    Err(FetchError::Denied {
                        stage: Stage::Dns,
                        ..
                    })
                );
                assert!(is_refusal && sent.connects == 0, "{told}");
            }
            let publicly = |to: &SocketAddr| said.contains(&to.ip());
            assert!(arrived.iter().all(publicly), "{told}");
        }
    }
    assert!(allowed > 500 && refused > 500, "{allowed} {refused}");
    Vec::new()
}

/// One private address at each place among many public ones.
pub(crate) async fn many_answers() -> Vec<Outcome> {
    let world = World::answering(|_| ok()).await;
    let bad: Vec<IpAddr> = PRIVATE.iter().map(|text| text.parse().unwrap()).collect();
    for place in 0..25 {
        for bad in &bad {
            let mut answers = public_answers(bad.is_ipv4());
            answers.insert(place, *bad);
            let name = "many.example.com";
            world.names.say(name, &answers);
            let before = Sent::now();
            let (answer, _) = fetch(&world.session(), get(format!("http://{name}/"))).await;
            let connects = Sent::now().since(before).connects;
            assert!(
                matches!(answer, Err(FetchError::Denied { .. })) && connects == 0,
                "{bad} at {place}: {answer:?}, {connects} connects"
            );
        }
    }
    world.names.say("many.example.com", &public_answers(true));
    let (answer, _) = fetch(&world.session(), get("http://many.example.com/")).await;
    assert!(answer.is_ok(), "all public: {answer:?}");
    Vec::new()
}

/// As many as fit into a datagram.
fn public_answers(is_v4: bool) -> Vec<IpAddr> {
    (1..=24)
        .map(|n| {
            if is_v4 {
                Ipv4Addr::new(93, 184, 216, n).into()
            } else {
                Ipv6Addr::new(0x2606, 0x2800, 0x220, 1, 0, 0, 0, n.into()).into()
            }
        })
        .collect()
}
