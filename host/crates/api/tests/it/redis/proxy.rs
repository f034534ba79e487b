//! What lies between a node and Redis: nothing, a bad line, or a cut one.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep_until},
};
use vedette_api::testing::TestRedis;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Good,
    /// Each answer is late by this much.
    Slow(Duration),
    Cut,
}

/// Listens on loopback in front of a Redis; ends with this value.
pub(super) struct Proxy {
    pub(super) url: String,
    line: watch::Sender<Line>,
}

impl Proxy {
    pub(super) async fn before(redis: &TestRedis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = redis.url_at(listener.local_addr().unwrap().port());
        let (line, mut changes) = watch::channel(Line::Good);
        let port = redis.port();
        tokio::spawn(async move {
            loop {
                let ended = async { while changes.changed().await.is_ok() {} };
                tokio::select! {
                    () = ended => return,
                    Ok((client, _)) = listener.accept() => {
                        tokio::spawn(relay(client, port, changes.clone()));
                    }
                }
            }
        });
        Self { url, line }
    }

    pub(super) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

async fn relay(client: TcpStream, port: u16, mut line: watch::Receiver<Line>) {
    // Who dials while the line is cut gets nowhere, as do those that were there.
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = {
        let line = line.clone();
        async move {
            let mut bytes = vec![0; 4096];
            while let Ok(length @ 1..) = from_server.read(&mut bytes).await {
                let now = *line.borrow();
                if let Line::Slow(late) = now {
                    sleep_until(Instant::now() + late).await;
                }
                if to_client.write_all(&bytes[..length]).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        () = answers => {}
        _ = line.wait_for(|line| *line == Line::Cut) => {}
    }
}
