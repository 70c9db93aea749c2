//! SMTP as this gateway speaks it: to one server, in clear only until STARTTLS, which it requires, and with its own account. Knows
//! addresses and bytes, and nothing of what they mean.

use std::time::Duration;

use lettre::{
    Address,
    address::Envelope,
    transport::smtp::{
        Error,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        extension::ClientId,
    },
};
use tokio::time::timeout;

use super::WireFault;
use crate::config;

/// Where mails are handed in.
pub struct Postbox {
    host: String,
    port: u16,
    address: Address,
    hello: ClientId,
    tls: TlsParameters,
    credentials: Credentials,
}

/// A server that knows who we are, over TLS.
pub struct Counter {
    connection: AsyncSmtpConnection,
    address: Address,
}

impl Postbox {
    pub(super) fn new(server: &config::Server, address: Address, tls: TlsParameters, credentials: Credentials) -> Self {
        let hello = ClientId::Domain(address.domain().to_owned());
        Self { host: server.host.clone(), port: server.port, address, hello, tls, credentials }
    }

    /// Connects, encrypts and signs in.
    ///
    /// # Errors
    /// [`WireFault`]: whatever the server says until here is about us and not about a mail, so it is never for good.
    pub async fn open(&self) -> Result<Counter, WireFault> {
        let made = timeout(CONNECT, async {
            let to = (self.host.as_str(), self.port);
            let mut connection =
                AsyncSmtpConnection::connect_tokio1(to, Some(ANSWER), &self.hello, None, None).await.map_err(|e| before(&e))?;
            if !connection.can_starttls() {
                connection.abort().await;
                return Err(WireFault::Clear);
            }
            if let Err(error) = connection.starttls(self.tls.clone(), &self.hello).await {
                return Err(if error.is_timeout() { WireFault::Slow } else { WireFault::Certificate });
            }
            // Nothing below this line is ever said in clear.
            if !connection.is_encrypted() {
                return Err(WireFault::Clear);
            }
            let known = [Mechanism::Plain, Mechanism::Login];
            connection
                .auth(&known, &self.credentials)
                .await
                .map_err(|e| if e.is_permanent() || e.is_client() { WireFault::Login } else { before(&e) })?;
            Ok(connection)
        });
        let connection = made.await.map_err(|_| WireFault::Slow)??;
        Ok(Counter { connection, address: self.address.clone() })
    }
}

impl Counter {
    /// Hands in one mail for one recipient.
    ///
    /// # Errors
    /// [`WireFault::No`] when the server refuses this mail for good.
    pub async fn hand_in(&mut self, to: &str, mail: &[u8]) -> Result<(), WireFault> {
        let to = to.parse::<Address>().map_err(|_| WireFault::No)?;
        let envelope = Envelope::new(Some(self.address.clone()), vec![to]).map_err(|_| WireFault::No)?;
        match timeout(HAND_IN, self.connection.send(&envelope, mail)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_permanent() => Err(WireFault::No),
            Ok(Err(error)) => Err(before(&error)),
            Err(_) => Err(WireFault::Slow),
        }
    }

    /// Hangs up.
    pub async fn close(mut self) {
        let _ = timeout(CONNECT, self.connection.quit()).await;
    }
}

fn before(error: &Error) -> WireFault {
    if error.is_timeout() {
        WireFault::Slow
    } else if error.is_transient() || error.is_permanent() {
        WireFault::Later
    } else {
        WireFault::Unreachable
    }
}

/// How long it may take until the server knows us.
const CONNECT: Duration = Duration::from_secs(15);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a whole mail may take.
const HAND_IN: Duration = Duration::from_secs(120);
