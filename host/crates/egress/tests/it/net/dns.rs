//! A name server that says what a test wants, to each question anew. Everything has a TTL of 0.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex},
};

use tokio::{net::UdpSocket, task::JoinHandle};

pub(crate) const A: u16 = 1;
pub(crate) const CNAME: u16 = 5;
pub(crate) const AAAA: u16 = 28;
pub(crate) const DNAME: u16 = 39;
pub(crate) const HTTPS: u16 = 65;

/// A record, whose owner is the name that was asked unless it says otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    owner: Option<String>,
    kind: u16,
    data: Vec<u8>,
}

impl Record {
    pub(crate) fn address(address: IpAddr) -> Self {
        let (kind, data) = match address {
            IpAddr::V4(address) => (A, address.octets().to_vec()),
            IpAddr::V6(address) => (AAAA, address.octets().to_vec()),
        };
        Self::raw(kind, data)
    }

    /// `CNAME` and `DNAME`.
    pub(crate) fn alias(kind: u16, to: &str) -> Self {
        Self::raw(kind, wire_name(to))
    }

    pub(crate) fn raw(kind: u16, data: Vec<u8>) -> Self {
        Self {
            owner: None,
            kind,
            data,
        }
    }

    pub(crate) fn of(mut self, owner: &str) -> Self {
        self.owner = Some(owner.to_owned());
        self
    }
}

/// What the server says to one question.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Of these records, the ones of the kind that was asked for, and the aliases.
    Records(Vec<Record>),
    NoSuchName,
}

impl Reply {
    pub(crate) fn addresses(addresses: &[IpAddr]) -> Self {
        Self::Records(addresses.iter().copied().map(Record::address).collect())
    }
}

/// The reply to the nth question for a kind of record, from 0.
type Script = Arc<dyn Fn(u16, usize) -> Reply + Send + Sync>;

#[derive(Default)]
struct Book {
    scripts: HashMap<String, Script>,
    fallback: Option<Reply>,
    asked: HashMap<(String, u16), usize>,
}

pub(crate) struct NameServer {
    book: Arc<Mutex<Book>>,
    task: JoinHandle<()>,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl NameServer {
    /// Where the namespace's `/etc/resolv.conf` says that it is.
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).await.unwrap();
        let book = Arc::new(Mutex::new(Book::default()));
        let kept = book.clone();
        let task = tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let answer = kept.lock().unwrap().answer(&question[..length]);
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        Self { book, task }
    }

    /// Every name that nothing else is said about.
    pub(crate) fn fall_back_to(&self, addresses: &[IpAddr]) {
        self.book.lock().unwrap().fallback = Some(Reply::addresses(addresses));
    }

    pub(crate) fn say(&self, name: &str, addresses: &[IpAddr]) {
        let reply = Reply::addresses(addresses);
        self.script(name, move |_, _| reply.clone());
    }

    pub(crate) fn script(
        &self,
        name: &str,
        script: impl Fn(u16, usize) -> Reply + Send + Sync + 'static,
    ) {
        let mut book = self.book.lock().unwrap();
        book.scripts.insert(name.to_owned(), Arc::new(script));
    }

    /// Nothing was said, and nothing asked.
    pub(crate) fn forget(&self) {
        *self.book.lock().unwrap() = Book::default();
    }

    /// How often a name was asked for a kind of record.
    pub(crate) fn asked(&self, name: &str, kind: u16) -> usize {
        let key = (name.to_owned(), kind);
        *self.book.lock().unwrap().asked.get(&key).unwrap_or(&0)
    }
}

impl Book {
    fn answer(&mut self, question: &[u8]) -> Vec<u8> {
        let (name, end) = read_name(question);
        let kind = u16::from_be_bytes([question[end], question[end + 1]]);
        let nth = self.asked.entry((name.clone(), kind)).or_default();
        let reply = match (self.scripts.get(&name), &self.fallback) {
            (Some(script), _) => script(kind, *nth),
            (None, Some(reply)) => reply.clone(),
            (None, None) => Reply::NoSuchName,
        };
        *nth += 1;
        let (code, mut records) = match reply {
            Reply::Records(records) => (0, records),
            Reply::NoSuchName => (3, Vec::new()),
        };
        records.retain(|record| record.kind == kind || matches!(record.kind, CNAME | DNAME));
        // The question's id; a response, recursion asked and offered; one question.
        let mut answer = question[..2].to_vec();
        answer.extend([0x81, 0x80 | code, 0, 1]);
        answer.extend(u16::try_from(records.len()).unwrap().to_be_bytes());
        answer.extend([0; 4]);
        answer.extend(&question[12..end + 4]);
        for record in records {
            match &record.owner {
                // A pointer to the question's name.
                None => answer.extend([0xc0, 12]),
                Some(owner) => answer.extend(wire_name(owner)),
            }
            answer.extend(record.kind.to_be_bytes());
            // Class IN, TTL 0.
            answer.extend([0, 1, 0, 0, 0, 0]);
            answer.extend(u16::try_from(record.data.len()).unwrap().to_be_bytes());
            answer.extend(record.data);
        }
        answer
    }
}

/// The name in a question, in lower case, and where it ends.
fn read_name(question: &[u8]) -> (String, usize) {
    let mut labels = Vec::new();
    let mut at = 12;
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..end]).to_ascii_lowercase());
        at = end;
    }
    (labels.join("."), at + 1)
}

pub(crate) fn wire_name(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}

/// The records that a row of the corpus describes: `A 192.0.2.1; AAAA ::1`, `AAAA :: only`.
pub(crate) fn described(text: &str) -> Option<Vec<IpAddr>> {
    text.split(';')
        .map(|part| {
            let part = part.trim().trim_end_matches(" only");
            let (kind, address) = part.split_once(' ')?;
            match kind {
                "A" => Some(address.parse::<Ipv4Addr>().ok()?.into()),
                "AAAA" => Some(address.parse::<Ipv6Addr>().ok()?.into()),
                _ => None,
            }
        })
        .collect()
}
