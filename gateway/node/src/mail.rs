//! Secure mail with partners of MSSanté. The gateway has one mailbox at an operator: what leaves is a push like any other
//! ([`crate::flows::forward`]), handed in over STARTTLS; what comes is a deposit like any other ([`crate::flows::accept`]), read over
//! IMAP with TLS. Here is only how mails become the one and the other.
//!
//! Nothing goes in clear, not even once, and to no server for which the configured authorities do not vouch. No address that is not
//! configured, no subject and no name of a file is ever logged.

mod aside;
mod compose;
mod fate;
mod fetch;
mod inbound;
mod open;
mod outbound;
mod partner;
mod post;
mod trust;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

pub use fetch::Mailbox;
pub use partner::{Partner, PartnerFault};
pub use post::Postbox;

use crate::{
    config,
    flows::{Rooms, turns::in_turn},
    refusal::Refusal,
};

/// The mailbox, its partners, and what is needed to work with them.
pub struct Mails {
    rooms: Arc<Rooms>,
    config: config::Mail,
    office: Office,
}

/// Both services of the operator, and the partners.
pub struct Office {
    /// Where mails are handed in.
    pub postbox: Postbox,
    /// Where the mailbox is read.
    pub mailbox: fetch::Way,
    /// By institution.
    pub partners: BTreeMap<String, Partner>,
}

/// Why no mail can be exchanged.
#[derive(Debug, thiserror::Error)]
pub enum MailFault {
    /// A file or a folder that the configuration names.
    #[error("`{}`: {}", .0.display(), .1)]
    File(PathBuf, String),
    /// An address.
    #[error("`mail.address`: no address of a mailbox")]
    Address,
    /// Partner files, every one that is wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Partners(Vec<PartnerFault>),
}

/// What went wrong with a server. Its words are not repeated: they may name an address, and an address a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireFault {
    /// Nobody answers there, or hangs up.
    #[error("unreachable")]
    Unreachable,
    /// An answer did not come in time.
    #[error("too slow")]
    Slow,
    /// The server does not offer STARTTLS: somebody may have stripped it.
    #[error("no STARTTLS is offered")]
    Clear,
    /// No configured authority vouches for the server, or it does not speak TLS as we do.
    #[error("its certificate is not vouched for")]
    Certificate,
    /// The account is refused.
    #[error("our account is refused")]
    Login,
    /// The server cannot now.
    #[error("the server says not now")]
    Later,
    /// The server says no for good.
    #[error("the server says no")]
    No,
}

impl WireFault {
    /// A stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Slow => "timeout",
            Self::Clear => "no-starttls",
            Self::Certificate => "certificate",
            Self::Login => "login-refused",
            Self::Later => "server-later",
            Self::No => "server-refused",
        }
    }

    /// Somebody may stand between.
    const fn is_suspect(self) -> bool {
        match self {
            Self::Clear | Self::Certificate => true,
            Self::Unreachable | Self::Slow | Self::Login | Self::Later | Self::No => false,
        }
    }
}

/// Why a look into the mailbox ended early.
#[derive(Debug, thiserror::Error)]
enum LookFault {
    /// The server, or the way to it.
    #[error("server: {0}")]
    Wire(#[from] WireFault),
    /// We cannot now.
    #[error("gateway: {0}")]
    Ours(#[from] Refusal),
}

impl Office {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// [`MailFault`] with every partner file that is wrong.
    pub fn open(config: &config::Mail) -> Result<Self, MailFault> {
        let (postbox, mailbox) = trust::ways(config)?;
        let folder = |e: std::io::Error| MailFault::File(config.partners.clone(), e.to_string());
        let (mut partners, mut faults) = (BTreeMap::new(), Vec::new());
        for entry in std::fs::read_dir(&config.partners).map_err(folder)? {
            let file = entry.map_err(folder)?.path();
            if file.extension().is_none_or(|ext| ext != "toml") {
                continue;
            }
            match Partner::load(&file) {
                Ok(partner) => drop(partners.insert(partner.institution.to_string(), partner)),
                Err(fault) => faults.push(fault),
            }
        }
        faults.extend(partner::shared(&partners, &config.partners));
        if faults.is_empty() { Ok(Self { postbox, mailbox, partners }) } else { Err(MailFault::Partners(faults)) }
    }
}

impl Mails {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// [`MailFault`].
    pub fn open(config: &config::Mail, rooms: Arc<Rooms>) -> Result<Self, MailFault> {
        Ok(Self { rooms, config: config.clone(), office: Office::open(config)? })
    }

    /// Looks into the mailbox until told to stop, and minds that notices come.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        for counter in [SENT, RECEIVED, ASIDE, SUSPECT, NO_NOTICE] {
            metrics::counter!(counter).increment(0);
        }
        metrics::gauge!(DARK).set(0.0);
        let dark = AtomicBool::new(false);
        let mut failed = 0_u32;
        while !stop.is_cancelled() {
            let looked = in_turn(&self.rooms, &self.config.institution, Box::pin(self.look(&stop))).await;
            match looked {
                Ok(()) => {
                    failed = 0;
                    if dark.swap(false, Ordering::Relaxed) {
                        metrics::gauge!(DARK).set(0.0);
                        tracing::info!("the mailbox can be read again");
                    }
                }
                Err(fault) => {
                    failed = failed.saturating_add(1);
                    if let LookFault::Wire(wire) = &fault {
                        told_of(*wire);
                        dark.store(true, Ordering::Relaxed);
                        metrics::gauge!(DARK).set(1.0);
                    }
                    tracing::warn!(error = %fault, failed, "the mailbox could not be looked into");
                }
            }
            if let Err(error) = self.overdue().await {
                tracing::error!(error = %error, "what became of mails could not be looked at; it will be at the next look");
            }
            let pause = Duration::from_secs(u64::from(self.config.poll_seconds.get()) << failed.min(6)).min(LONGEST_PAUSE);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn partner(&self, institution: &str) -> Option<&Partner> {
        self.office.partners.get(institution)
    }
}

/// A server that is not the operator's, or a way on which somebody strips encryption, is never a mere failure.
fn told_of(fault: WireFault) {
    if fault.is_suspect() {
        metrics::counter!(SUSPECT).increment(1);
        tracing::error!(fault = fault.code(), "the mail server is not the one that is vouched for: nothing is exchanged");
    }
}

/// Mails that left.
const SENT: &str = "passerelle_mails_sent_total";
/// Mails that came and were taken over.
const RECEIVED: &str = "passerelle_mails_received_total";
/// Mails that came and that a person must look at.
const ASIDE: &str = "passerelle_mails_set_aside_total";
/// What alarms: a sender that nobody knows, a server that nobody vouches for.
const SUSPECT: &str = "passerelle_mails_suspect_total";
/// Mails about danger of which no notice came in time.
const NO_NOTICE: &str = "passerelle_mails_without_notice_total";
/// Whether the operator does not answer now.
const DARK: &str = "passerelle_mailbox_dark";
/// The longest pause after looks that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
