//! A mail server on loopback: as much of SMTP (RFC 5321, RFC 4954) as a client needs to be rid of its mails.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

pub(crate) struct MailServer {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    /// Takes what comes until the process ends.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = received.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                // A client that goes away is the end of its session, no more.
                std::thread::spawn(move || serve(stream, &kept).ok());
            }
        });
        Self { address, received }
    }

    /// The mails with their heads, as they came.
    pub(crate) fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut answer = "220 mail.test\r\n";
    loop {
        stream.get_mut().write_all(answer.as_bytes())?;
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let word = line.split([' ', '\r']).next().unwrap_or_default();
        answer = match word.to_uppercase().as_str() {
            "EHLO" => "250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n",
            "AUTH" => "235 welcome\r\n",
            // Nobody of this name is here any more (RFC 5321 section 4.2.3).
            "RCPT" if line.contains("<gone@") => "550 no such mailbox\r\n",
            "DATA" => {
                stream.get_mut().write_all(b"354 go on\r\n")?;
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut mail)? == 0 {
                        return Ok(());
                    }
                }
                kept.lock().unwrap().push(mail);
                "250 taken\r\n"
            }
            _ => "250 fine\r\n",
        };
    }
}
