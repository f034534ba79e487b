//! `kill -9` at named points: of processes that record transitions and deliver what comes of them, none ends in
//! good order, and all the same each incident's beginning and end arrive.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use vedette_core::{Clock as _, ManualClock, Projects};
use vedette_store::{
    Incident, IncidentFilter, NotificationFilter, NotificationStatus, PageRequest, Store,
    testing::{TestDatabase, vault},
};

use crate::world::{Each, Worker, World, WorldIds, clock};

/// Processes that are killed, on each database.
const ROUNDS: u32 = 200;
/// From one run to the next, and from one round to the next: long enough that nothing is held as flapping, and
/// longer than any lease.
const EACH: Each = Each {
    cron: "0 0 */2 * * *",
    step: TimeDelta::hours(2),
};
/// Where the process of a round finds what it is to do.
const TASK: &str = "VEDETTE_TEST_KILLED";

/// When a process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Point {
    /// So many microseconds after it has begun to record a transition.
    WhileRecording(u64),
    /// Its transition is recorded, and with it a row in the outbox.
    AfterRecord,
    /// It has taken up a notification and has a connection.
    BeforeSend,
    /// All of the request is sent, and no answer has come.
    AfterSend,
    /// An answer has come, or is about to.
    AfterAnswer,
    /// Never: what is left is delivered.
    Never,
}

impl Point {
    fn of_round(round: u32) -> Self {
        match round % 5 {
            0 => Self::WhileRecording(u64::from(round) * 7_919 % 30_000),
            1 => Self::AfterRecord,
            2 => Self::BeforeSend,
            3 => Self::AfterSend,
            _ => Self::AfterAnswer,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Task {
    url: String,
    ids: WorldIds,
    round: u32,
    point: Point,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_everything_arrives() {
    everything_arrives(&TestDatabase::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_everything_arrives() {
    if let Some(postgres) = TestDatabase::postgres().await {
        everything_arrives(&postgres).await;
    }
}

async fn everything_arrives(database: &TestDatabase) {
    let clock = clock();
    let world = World::every(EACH, &database.store, &clock, "anna").await;
    let receiver = Receiver::start();
    world
        .webhook(&format!("http://{}/", receiver.address))
        .await;
    let task = |round, point| Task {
        url: database.url.clone(),
        ids: world.ids(),
        round,
        point,
    };
    for round in 0..ROUNDS {
        receiver.runs(&task(round, Point::of_round(round)));
        receiver.wait_for_the_end();
    }
    receiver.runs(&task(ROUNDS + 1, Point::Never));
    let began = Instant::now();
    while !is_all_delivered(&world).await {
        assert!(began.elapsed() < Duration::from_mins(1), "it is never done");
        tokio::task::yield_now().await;
    }
    receiver.kill();
    check(database, &world, &receiver.arrived()).await;
}

async fn is_all_delivered(world: &World) -> bool {
    let mut filter = NotificationFilter {
        status: Some(NotificationStatus::Pending),
        ..NotificationFilter::default()
    };
    let page = PageRequest {
        limit: 1,
        cursor: None,
    };
    let all = Projects::All;
    let pending = world
        .store
        .list_notifications(world.org, &all, filter, page);
    let is_done = pending.await.unwrap().items.is_empty();
    filter.status = Some(NotificationStatus::Dead);
    let dead = world
        .store
        .list_notifications(world.org, &all, filter, page);
    let dead = dead.await.unwrap().items;
    assert!(dead.is_empty(), "{dead:?}");
    is_done
}

/// What has arrived is compared with the executions: they say how often the target went down and up.
async fn check(database: &TestDatabase, world: &World, arrived: &[Arrived]) {
    let verdicts = verdicts(database).await;
    let mut is_up = true;
    let (mut downs, mut ups) = (0, 0);
    for verdict in &verdicts {
        match (is_up, verdict.as_str()) {
            (true, "failure") => downs += 1,
            (false, "success") => ups += 1,
            _ => {}
        }
        is_up = verdict == "success";
    }
    let incidents = incidents(world).await;
    let resolved = incidents
        .iter()
        .filter(|incident| incident.resolved_at.is_some());
    assert_eq!((incidents.len(), resolved.count()), (downs, ups));

    let mut ids: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for arrived in arrived {
        let told = ids.entry((&arrived.incident, &arrived.event)).or_default();
        told.insert(&arrived.id);
    }
    for ((incident, event), ids) in &ids {
        assert_eq!(ids.len(), 1, "{event} of {incident}: {ids:?}");
    }
    for incident in &incidents {
        let id = incident.id.to_string();
        let first = |event: &str| {
            let mut places = arrived.iter();
            places.position(|arrived| arrived.incident == id && arrived.event == event)
        };
        let down = first("down");
        assert!(down.is_some(), "the beginning of {id} never arrived");
        if incident.resolved_at.is_some() {
            assert!(
                first("up") > down,
                "the end of {id}: {:?}, {down:?}",
                first("up")
            );
        }
    }
    assert_eq!(ids.len(), downs + ups, "and nothing else");
    #[expect(
        clippy::print_stdout,
        reason = "figures for whoever asks by --nocapture"
    )]
    {
        println!(
            "{ROUNDS} processes killed: {downs} downs and {ups} ups of {} runs, each with one id, told {} times",
            verdicts.len(),
            arrived.len()
        );
    }
    // Who dies while it records may leave nothing, and so may who is killed by a connection of the round before that
    // waited to be accepted. Most do not.
    assert!(downs + ups > ROUNDS as usize / 2, "{downs} and {ups}");
}

async fn verdicts(database: &TestDatabase) -> Vec<String> {
    let sql = "SELECT status FROM script_executions WHERE status IN ('success', 'failure') ORDER BY scheduled_at";
    if database.store.is_embedded() {
        let mut connection = SqliteConnection::connect(&database.url).await.unwrap();
        sqlx::query_scalar(sql)
            .fetch_all(&mut connection)
            .await
            .unwrap()
    } else {
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        sqlx::query_scalar(sql)
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }
}

async fn incidents(world: &World) -> Vec<Incident> {
    let mut all = Vec::new();
    let mut page = PageRequest {
        limit: 100,
        cursor: None,
    };
    loop {
        let filter = IncidentFilter::default();
        let listed = world
            .store
            .list_incidents(world.org, &Projects::All, filter, page);
        let listed = listed.await.unwrap();
        all.extend(listed.items);
        match listed.next_cursor {
            None => return all,
            cursor => page = PageRequest { limit: 100, cursor },
        }
    }
}

#[derive(Debug, Clone)]
struct Arrived {
    id: String,
    event: String,
    incident: String,
}

/// Takes webhooks, and kills who sends them when it is time.
struct Receiver {
    address: SocketAddr,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    sender: Arc<Mutex<Option<(Point, Child)>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            arrived: Arc::default(),
            sender: Arc::default(),
        };
        let (arrived, sender) = (receiver.arrived.clone(), receiver.sender.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who is killed closes in the middle.
                take(stream, &arrived, &sender).ok();
            }
        });
        receiver
    }

    /// Starts the process of a round.
    fn runs(&self, task: &Task) {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "kills::killed_process"])
            .env(TASK, serde_json::to_string(task).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        *self.sender.lock().unwrap() = Some((task.point, child));
    }

    /// Waits until it was killed, by whomever.
    fn wait_for_the_end(&self) {
        let began = Instant::now();
        loop {
            if let Some((point, child)) = self.sender.lock().unwrap().as_mut() {
                if let Some(status) = child.try_wait().unwrap() {
                    assert_eq!(status.code(), None, "{point:?}: it was not killed");
                    return;
                }
                assert!(
                    began.elapsed() < Duration::from_mins(1),
                    "{point:?}: it goes on"
                );
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    fn kill(&self) {
        if let Some((_, child)) = self.sender.lock().unwrap().as_mut() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some((_, child)) = self.sender.lock().unwrap().as_mut() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn take(
    stream: TcpStream,
    arrived: &Mutex<Vec<Arrived>>,
    sender: &Mutex<Option<(Point, Child)>>,
) -> std::io::Result<()> {
    let kill_at = |now: Point| {
        if let Some((point, child)) = sender.lock().unwrap().as_mut()
            && *point == now
        {
            child.kill().unwrap();
        }
    };
    kill_at(Point::BeforeSend);
    let mut stream = BufReader::new(stream);
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("webhook-id") => {
                value.clone_into(&mut id);
            }
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap();
            }
            None if line == "\r\n" => break,
            None if line.is_empty() => return Ok(()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let body: Value = serde_json::from_slice(&body)?;
    // What has gathered while nobody lived long enough comes in digests.
    let data = &body["data"];
    let told = match data["items"].as_array().unwrap().as_slice() {
        [] => std::slice::from_ref(data),
        items => items,
    };
    let text = |told: &Value, name: &str| told[name].as_str().unwrap().to_owned();
    arrived
        .lock()
        .unwrap()
        .extend(told.iter().map(|told| Arrived {
            id: id.clone(),
            event: text(told, "event"),
            incident: text(told, "incident"),
        }));
    kill_at(Point::AfterSend);
    stream
        .get_mut()
        .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")?;
    kill_at(Point::AfterAnswer);
    Ok(())
}

/// Records a transition and delivers, until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the others start it"]
async fn killed_process() {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    let task = std::env::var(TASK).expect("the others start it");
    let task: Task = serde_json::from_str(&task).unwrap();
    let store = Store::connect(&task.url).await.unwrap();
    let store = store.with_vault(vault(&["1"]));
    let rounds = i32::try_from(task.round).unwrap();
    let clock = Arc::new(ManualClock::at(clock().now() + EACH.step * rounds));
    let world = World::reopen(EACH, &store, &clock, task.ids);
    // Else what is left of the round before would be sent first, and be the end of this one.
    let is_soon = matches!(task.point, Point::WhileRecording(_) | Point::Never);
    let mut worker = is_soon.then(|| Worker::start(&store, &clock));
    if task.point != Point::Never {
        let is_down = incidents(&world)
            .await
            .iter()
            .any(|incident| incident.resolved_at.is_none());
        if let Point::WhileRecording(micros) = task.point {
            std::thread::spawn(move || {
                let until = Instant::now() + Duration::from_micros(micros);
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
                kill_myself();
            });
        }
        if is_down {
            world.goes_up().await;
        } else {
            world.goes_down().await;
        }
        if task.point == Point::AfterRecord {
            kill_myself();
        }
    }
    worker
        .get_or_insert_with(|| Worker::start(&store, &clock))
        .wake
        .notify_one();
    // Until then the receiver has killed it; should the test itself have died, it ends with its input.
    let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    end.await.unwrap().unwrap();
}

fn kill_myself() {
    let pid = std::process::id().to_string();
    Command::new("kill").args(["-KILL", &pid]).status().unwrap();
}
