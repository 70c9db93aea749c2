//! IMAP as this gateway speaks it: one mailbox, over TLS from the first byte, never more of a mail than it may have, and never
//! waiting for longer than a limit. Knows numbers and bytes, and nothing of what they mean.

use std::{sync::Arc, time::Duration};

use async_imap::{Client, Session, error::Error};
use futures::{Stream, StreamExt};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::WireFault;
use crate::config;

/// The way to the mailbox.
pub struct Way {
    server: config::Server,
    user: String,
    password: String,
    folders: [String; 2],
    tls: TlsConnector,
}

/// The mailbox, open.
pub struct Mailbox {
    session: Session<TlsStream<TcpStream>>,
    moves: bool,
}

/// A mail that lies in the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lying {
    /// Its number there.
    pub uid: u32,
    /// Bytes that it has, as the server says.
    pub size: u32,
}

impl Way {
    pub(super) fn new(config: &config::Mail, tls: ClientConfig, password: String) -> Self {
        Self {
            server: config.imap.clone(),
            user: config.user.clone(),
            password,
            folders: [config.taken.clone(), config.aside.clone()],
            tls: TlsConnector::from(Arc::new(tls)),
        }
    }

    /// Connects, signs in, and sees to it that our folders are there.
    ///
    /// # Errors
    /// [`WireFault`].
    pub async fn open(&self) -> Result<Mailbox, WireFault> {
        let name = ServerName::try_from(self.server.host.clone()).map_err(|_| WireFault::Certificate)?;
        let to = (self.server.host.as_str(), self.server.port);
        let stream = timeout(CONNECT, TcpStream::connect(to)).await.map_err(|_| WireFault::Slow)?.map_err(|_| WireFault::Unreachable)?;
        let stream = timeout(CONNECT, self.tls.connect(name, stream)).await.map_err(|_| WireFault::Slow)?.map_err(|error| {
            let vouched = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_none();
            if vouched { WireFault::Unreachable } else { WireFault::Certificate }
        })?;
        let mut client = Client::new(stream);
        let greeting = timeout(ANSWER, client.read_response()).await.map_err(|_| WireFault::Slow)?;
        if !matches!(greeting, Ok(Some(_))) {
            return Err(WireFault::Unreachable);
        }
        let login = timeout(ANSWER, client.login(&self.user, &self.password)).await.map_err(|_| WireFault::Slow)?;
        let mut session = login.map_err(|(error, _)| {
            let fault = fault(&error);
            if fault == WireFault::No { WireFault::Login } else { fault }
        })?;
        let moves = in_time(session.capabilities()).await?.has_str("MOVE");
        for folder in &self.folders {
            // It is there, as a rule; whether it could be made shows when something is moved.
            match in_time(session.create(folder)).await {
                Ok(()) | Err(WireFault::No) => {}
                Err(other) => return Err(other),
            }
        }
        in_time(session.select("INBOX")).await?;
        Ok(Mailbox { session, moves })
    }
}

impl Mailbox {
    /// What lies in the inbox, oldest first, so many at most.
    ///
    /// # Errors
    /// [`WireFault`].
    pub async fn list(&mut self, at_most: usize) -> Result<Vec<Lying>, WireFault> {
        let fetched = in_time(self.session.uid_fetch("1:*", "(UID RFC822.SIZE)")).await?;
        let mut all = Vec::new();
        let mut fetched = std::pin::pin!(fetched);
        while let Some(one) = next(&mut fetched).await? {
            if let (Some(uid), Some(size)) = (one.uid, one.size)
                && all.len() < MANY
            {
                all.push(Lying { uid, size });
            }
        }
        all.sort_by_key(|one| one.uid);
        all.truncate(at_most);
        Ok(all)
    }

    /// A mail, whole, without marking it as read; of a longer one its first bytes.
    ///
    /// # Errors
    /// [`WireFault`].
    pub async fn read(&mut self, uid: u32, at_most: u32) -> Result<Vec<u8>, WireFault> {
        let fetched = in_time(self.session.uid_fetch(uid.to_string(), format!("(UID BODY.PEEK[]<0.{at_most}>)"))).await?;
        let mut fetched = std::pin::pin!(fetched);
        let mut mail = None;
        while let Some(one) = next(&mut fetched).await? {
            if one.uid == Some(uid) {
                mail = one.body().map(<[u8]>::to_vec);
            }
        }
        mail.ok_or(WireFault::No)
    }

    /// Moves a mail out of the inbox.
    ///
    /// # Errors
    /// [`WireFault`].
    pub async fn put_away(&mut self, uid: u32, folder: &str) -> Result<(), WireFault> {
        let uid = uid.to_string();
        if self.moves {
            return in_time(self.session.uid_mv(&uid, folder)).await;
        }
        // A crash between these steps leaves it in both places; it is then known, and moved again.
        in_time(self.session.uid_copy(&uid, folder)).await?;
        {
            let marked = in_time(self.session.uid_store(&uid, "+FLAGS.SILENT (\\Deleted)")).await?;
            let mut marked = std::pin::pin!(marked);
            while next(&mut marked).await?.is_some() {}
        }
        // This one alone (RFC 4315): what others marked is theirs.
        let gone = in_time(self.session.uid_expunge(&uid)).await?;
        let mut gone = std::pin::pin!(gone);
        while next(&mut gone).await?.is_some() {}
        Ok(())
    }

    /// Lays a mail of ours into a folder, unread.
    ///
    /// # Errors
    /// [`WireFault`].
    pub async fn lay(&mut self, folder: &str, mail: &[u8]) -> Result<(), WireFault> {
        in_time(self.session.append(folder, None, None, mail)).await
    }

    /// Hangs up.
    pub async fn close(mut self) {
        let _ = timeout(ANSWER, self.session.logout()).await;
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, WireFault> {
    match timeout(ANSWER, asked).await {
        Ok(answer) => answer.map_err(|error| fault(&error)),
        Err(_) => Err(WireFault::Slow),
    }
}

async fn next<T>(all: &mut (impl Stream<Item = Result<T, Error>> + Unpin)) -> Result<Option<T>, WireFault> {
    match timeout(ANSWER, all.next()).await {
        Ok(None) => Ok(None),
        Ok(Some(one)) => one.map(Some).map_err(|error| fault(&error)),
        Err(_) => Err(WireFault::Slow),
    }
}

fn fault(error: &Error) -> WireFault {
    match error {
        Error::No(_) | Error::Bad(_) | Error::Validate(_) => WireFault::No,
        Error::Io(_) | Error::ConnectionLost | Error::Parse(_) | Error::Append | _ => WireFault::Unreachable,
    }
}

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// Mails of which the inbox is listed at most.
const MANY: usize = 20_000;
