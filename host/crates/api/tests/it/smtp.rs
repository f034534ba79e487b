//! A mail server for one test, on loopback: as much of SMTP (RFC 5321) as a client needs.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use secrecy::SecretString;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use vedette_services::SmtpMailer;

/// What the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Takes,
    /// Knows none of the addresses, and says which.
    Refuses,
    /// Takes the connection and says nothing.
    Stalls,
    /// Hangs up in the middle.
    Breaks,
}

/// A mail as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    pub(crate) data: String,
}

pub(crate) struct MailServer {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: watch::Receiver<usize>,
}

impl MailServer {
    /// Listens until the test's runtime ends.
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (count, connections) = watch::channel(0);
        let kept = received.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.send_modify(|count| *count += 1);
                let kept = kept.clone();
                // A client that goes away is the end of its session, no more.
                tokio::spawn(async move { serve(stream, manner, &kept).await.ok() });
            }
        });
        Self {
            address,
            received,
            connections,
        }
    }

    /// The real client of this server.
    pub(crate) fn mailer(&self) -> SmtpMailer {
        let url = SecretString::from(format!("smtp://{}", self.address));
        let mailer = SmtpMailer::new(&url, "Vedette <vedette@example.com>").unwrap();
        mailer.with_patience(Duration::from_millis(500))
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until somebody has connected.
    pub(crate) async fn connected(&self) {
        let mut connections = self.connections.clone();
        connections.wait_for(|count| *count > 0).await.unwrap();
    }
}

async fn serve(
    stream: TcpStream,
    manner: Manner,
    kept: &Mutex<Vec<Received>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    if manner == Manner::Stalls {
        // Until the client gives up.
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        return Ok(());
    }
    stream.write_all(b"220 mail.test\r\n").await?;
    let (mut sender, mut recipients) = (String::new(), Vec::new());
    let inner = |line: &str| {
        let (_, rest) = line.split_once('<').unwrap();
        rest.split_once('>').unwrap().0.to_owned()
    };
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let word = line.split([' ', '\r']).next().unwrap().to_uppercase();
        let answer = match word.as_str() {
            "EHLO" | "RSET" | "NOOP" => "250 mail.test".to_owned(),
            "MAIL" => {
                sender = inner(&line);
                "250 fine".to_owned()
            }
            "RCPT" if manner == Manner::Refuses => {
                format!("550 <{}> is not known here", inner(&line))
            }
            "RCPT" => {
                recipients.push(inner(&line));
                "250 fine".to_owned()
            }
            "DATA" if manner == Manner::Breaks => return Ok(()),
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let data = read_data(&mut stream).await?;
                kept.lock().unwrap().push(Received {
                    sender: std::mem::take(&mut sender),
                    recipients: std::mem::take(&mut recipients),
                    data,
                });
                "250 taken".to_owned()
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "502 not here".to_owned(),
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// Up to the line with nothing but a dot.
async fn read_data(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
