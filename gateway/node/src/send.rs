//! Sending: notices posted over mutual TLS to units that asked for them. Carries no content (see `flows/forward`). What goes in a
//! drop of files or as a secure mail is handed to who knows SFTP or SMTP.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::{
    directory::PushEndpoint,
    flows::forward::{NotLeft, Notice, Post},
    store::delivery::DeliveryRow,
};

#[cfg(feature = "sftp")]
use crate::drops::Drops;
#[cfg(feature = "mail")]
use crate::mail::Mails;
#[cfg(any(feature = "sftp", feature = "mail"))]
use std::sync::Arc;

/// Posts notices over HTTPS with the gateway's client certificate.
pub struct Poster {
    client: reqwest::Client,
    #[cfg(feature = "sftp")]
    drops: Option<Arc<Drops>>,
    #[cfg(feature = "mail")]
    mails: Option<Arc<Mails>>,
}

/// The client could not be built from the configured certificate.
#[derive(Debug, thiserror::Error)]
#[error("the push client could not be built")]
pub struct NoPoster(#[source] reqwest::Error);

impl Poster {
    /// A poster that presents the certificate of `tls` and trusts only its roots.
    ///
    /// # Errors
    /// [`NoPoster`].
    pub fn new(tls: rustls::ClientConfig) -> Result<Self, NoPoster> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            // A connection that is kept repeats no check of the certificate, so none is.
            .pool_max_idle_per_host(0)
            .connect_timeout(Duration::from_secs(3))
            // Less than the lease (`flows::forward::HOLD`), or two workers would send one notice at once.
            .timeout(Duration::from_secs(8))
            .build()
            .map_err(NoPoster)?;
        Ok(Self {
            client,
            #[cfg(feature = "sftp")]
            drops: None,
            #[cfg(feature = "mail")]
            mails: None,
        })
    }

    /// The same, which leaves drops for partners too.
    #[cfg(feature = "sftp")]
    #[must_use]
    pub fn with_drops(self, drops: Option<Arc<Drops>>) -> Self {
        Self { drops, ..self }
    }

    /// The same, which sends secure mails too.
    #[cfg(feature = "mail")]
    #[must_use]
    pub fn with_mails(self, mails: Option<Arc<Mails>>) -> Self {
        Self { mails, ..self }
    }
}

impl Post for Poster {
    fn post<'a>(&'a self, url: &'a str, notice: &'a Notice) -> BoxFuture<'a, Result<(), &'static str>> {
        Box::pin(async move {
            let answer = self.client.post(url).header("idempotency-key", notice.delivery.to_string()).json(notice).send().await.map_err(
                |error| {
                    if error.is_timeout() {
                        "timeout"
                    } else if error.is_connect() {
                        "unreachable"
                    } else {
                        "transport"
                    }
                },
            )?;
            let status = answer.status();
            if status.is_success() {
                Ok(())
            } else if status.is_client_error() {
                Err("refused-by-endpoint")
            } else {
                Err("endpoint-error")
            }
        })
    }

    fn leave<'a>(&'a self, delivery: &'a DeliveryRow, endpoint: &'a PushEndpoint) -> BoxFuture<'a, Result<(), NotLeft>> {
        let _ = delivery;
        Box::pin(async move {
            #[cfg(feature = "sftp")]
            if let (Some(drops), Some(_)) = (&self.drops, endpoint.dropped_at()) {
                return drops.leave(delivery, endpoint).await;
            }
            #[cfg(feature = "mail")]
            if let (Some(mails), Some(_)) = (&self.mails, endpoint.mailed_to()) {
                return mails.leave(delivery, endpoint).await;
            }
            Err(NotLeft::Never(if endpoint.mailed_to().is_some() { "no-mail" } else { "no-sftp" }))
        })
    }
}
