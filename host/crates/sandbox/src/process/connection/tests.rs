//! A process that was taken over may write anything: the server ends the connection and goes on.

use std::collections::BTreeMap;

use tokio::net::UnixStream;
use vedette_core::{ErrorClass, Status, SystemClock};
use vedette_egress::{Guard, Policy, Request};

use super::{super::protocol::MOST_FROM_CHILD, *};
use crate::run::{Ended, finish};

/// What the false process does with its end of the socket, after it was given one run.
async fn meet(bytes: Vec<u8>) -> (Result<(), Violation>, Result<Executed, Lost>) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (read, write_half) = ours.into_split();
    let (connection, frames) = Connection::new(Arc::new(SystemClock));
    let writer = tokio::spawn(write(write_half, frames));
    let session = Guard::new(Policy::default())
        .unwrap()
        .session(Limits::default().fetch);
    let (env, limits) = (BTreeMap::new(), Limits::default());
    let run = Run {
        bytecode: b"bytecode",
        params: "{}",
        env: &env,
        limits: &limits,
        session: &session,
        tape_bytes: Some(1_000),
    };
    let running = connection.run(run, Duration::from_mins(1));
    let false_process = async {
        // Not before the run is here, whose number it then knows.
        let mut start = [0; 8];
        tokio::io::AsyncReadExt::read_exact(&mut theirs, &mut start)
            .await
            .unwrap();
        theirs.write_all(&bytes).await.unwrap();
        theirs.shutdown().await.unwrap();
    };
    let reader = FrameReader::new(read, MOST_FROM_CHILD);
    let reading = async {
        let how = connection.read(reader).await;
        connection.close();
        how
    };
    let ((), how, ended) = tokio::join!(false_process, reading, running);
    writer.abort();
    (how, ended)
}

fn left(executed: Executed) -> Left {
    executed.into()
}

fn verdict(message: &str) -> Executed {
    Executed {
        ended: Ended::Verdict(crate::bindings::Verdict {
            success: true,
            latency: None,
            message: Some(message.to_owned()),
            data: None,
        }),
        fuel_used: 1,
        peak_memory_bytes: 1,
        steps: Vec::new(),
        logs: Vec::new(),
        flags: Vec::new(),
        tape: None,
    }
}

fn ended(call: u64, executed: Executed) -> Vec<u8> {
    let left = left(executed);
    frame(&FromChild::Ended { call, left }, &[])
}

fn fetch(call: u64, request: u32) -> Vec<u8> {
    let what = Request::default();
    let message = FromChild::Fetch {
        call,
        request,
        what,
    };
    frame(&message, &[])
}

#[tokio::test]
async fn an_honest_process_is_believed_as_far_as_it_goes() {
    let (how, executed) = meet(ended(0, verdict("fine"))).await;
    assert!(how.is_ok() && executed.is_ok());
}

#[tokio::test]
async fn bytes_that_are_no_frames_end_the_connection() {
    let lengths = |head: u32, tail: u32| [head.to_le_bytes(), tail.to_le_bytes()].concat();
    let mut unfinished = ended(0, verdict("fine"));
    unfinished.truncate(unfinished.len() - 1);
    let mut with_rest = ended(0, verdict("fine"));
    with_rest[0] += 1;
    with_rest.push(0);
    let mut not_text = ended(0, verdict("fine"));
    let at = not_text
        .windows(4)
        .position(|four| four == b"fine")
        .unwrap();
    not_text[at] = 0xff;
    for (name, bytes) in [
        ("a large head", lengths(u32::MAX, 0)),
        ("a large tail", lengths(0, u32::MAX)),
        ("both", lengths(u32::MAX, u32::MAX)),
        ("an empty head", lengths(0, 0)),
        ("no message", [lengths(4, 0), vec![0xff; 4]].concat()),
        ("half of the lengths", vec![0; 3]),
        ("an end in the middle", unfinished),
        ("more than a message", with_rest),
        ("text that is not UTF-8", not_text),
    ] {
        let (how, executed) = meet(bytes).await;
        assert!(matches!(how, Err(Violation::Frame(_))), "{name}: {how:?}");
        assert!(executed.is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_length_inside_of_a_message_allocates_nothing() {
    // `Ended` of call 0 with a verdict whose message claims to have 2^63 bytes.
    let mut head = vec![4, 0, 0, 1, 0, 1];
    head.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    let length = u32::try_from(head.len()).unwrap().to_le_bytes();
    let (how, _) = meet([&length[..], &[0; 4], &head].concat()).await;
    assert!(matches!(how, Err(Violation::Frame(_))), "{how:?}");
}

#[tokio::test]
async fn what_no_honest_process_says_ends_the_connection() {
    let over_limit: Vec<_> = (0..=Limits::default().fetch.max_requests)
        .flat_map(|request| fetch(0, request))
        .collect();
    let abandon = |call, request| frame(&FromChild::Abandon { call, request }, &[]);
    let compiled = FromChild::Compiled {
        call: 0,
        result: Ok(()),
    };
    let ready = FromChild::Ready(super::super::Rights {
        missing: Vec::new(),
        trials: Vec::new(),
    });
    for (name, bytes) in [
        ("a call of the future", ended(1, verdict("fine"))),
        ("the last call of all", ended(u64::MAX, verdict("fine"))),
        ("a request of another call", fetch(7, 0)),
        ("a request out of turn", fetch(0, 1)),
        (
            "the same request twice",
            [fetch(0, 0), fetch(0, 0)].concat(),
        ),
        ("giving up what was not asked", abandon(0, 0)),
        ("giving up for another", abandon(9, 0)),
        (
            "a fault of another",
            frame(&FromChild::Fault { call: 3 }, &[]),
        ),
        ("too many requests", over_limit),
        ("bytecode for a run", frame(&compiled, &[])),
        ("ready once more", frame(&ready, &[])),
    ] {
        let (how, executed) = meet(bytes).await;
        let how = how.expect_err(name);
        assert!(!matches!(how, Violation::Frame(_)), "{name}: {how:?}");
        assert!(executed.is_err(), "{name}");
    }
}

#[tokio::test]
async fn what_comes_late_is_passed_over() {
    let late = [
        ended(0, verdict("first")),
        ended(0, verdict("second")),
        fetch(0, 0),
        frame(
            &FromChild::Abandon {
                call: 0,
                request: 5,
            },
            &[],
        ),
    ];
    let (how, executed) = meet(late.concat()).await;
    assert!(how.is_ok(), "{how:?}");
    assert!(matches!(
        executed.unwrap().ended,
        Ended::Verdict(verdict) if verdict.message.as_deref() == Some("first")
    ));
}

/// The process enforces all this too; here is what holds when it lies.
#[tokio::test]
async fn a_result_is_cut_to_the_limits_again() {
    let limits = Limits::default();
    let mut lies = verdict(&"x".repeat(limits.result_bytes + 1));
    lies.fuel_used = u64::MAX;
    lies.peak_memory_bytes = u64::MAX;
    lies.logs = (0..=limits.log_lines)
        .map(|_| vedette_core::LogLine {
            log_level: vedette_core::LogLevel::Info,
            message: "a\0b".repeat(20),
            timestamp: chrono::DateTime::<chrono::Utc>::MAX_UTC,
        })
        .collect();
    let before = SystemClock.now();
    let (how, executed) = meet(ended(0, lies)).await;
    how.unwrap();
    let outcome = finish(
        executed.unwrap(),
        &crate::network::NoNetwork,
        &limits,
        Duration::ZERO,
    );
    assert_eq!(
        (outcome.status, outcome.error_class),
        (Status::Error, Some(ErrorClass::ResultTooLarge))
    );
    assert_eq!(outcome.fuel_used, limits.fuel);
    assert_eq!(outcome.peak_memory_bytes, limits.memory_bytes as u64);
    assert_eq!(outcome.logs.len(), limits.log_lines);
    assert_eq!(outcome.flags, [vedette_core::Flag::LogTruncated]);
    for line in &outcome.logs {
        assert!(!line.message.contains('\0'));
        assert!((before..=SystemClock.now()).contains(&line.timestamp));
    }
}
