//! What a member types: `submit`, `mailbox`, `exchange`. The reference for integrators.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use exchange::DataClass;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{CommandFault, print};
use crate::client::{self, Client, Credentials, Enclosure};

/// How a member reaches a gateway.
#[derive(Debug, Args)]
pub struct Link {
    /// Address of the gateway, for example `https://passerelle.example:8443`
    #[arg(long, env = "PASSERELLE_GATEWAY", default_value = "https://localhost:8443")]
    pub gateway: String,
    /// Certificate chain of your institution (PEM)
    #[arg(long, env = "PASSERELLE_CERTIFICATE")]
    pub certificate: PathBuf,
    /// Private key of your institution (PEM)
    #[arg(long, env = "PASSERELLE_KEY")]
    pub key: PathBuf,
    /// Authorities under which the gateway's certificate stands (PEM)
    #[arg(long, env = "PASSERELLE_AUTHORITIES")]
    pub authorities: PathBuf,
    /// Professional token, as `gateway token issue` prints it
    #[arg(long, env = "PASSERELLE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
}

impl Link {
    pub(super) fn client(&self) -> Result<Client, CommandFault> {
        let credentials = Credentials { certificate: &self.certificate, key: &self.key, authorities: &self.authorities };
        let client = Client::new(&self.gateway, &credentials)?;
        Ok(match &self.token {
            Some(token) => client.with_token(token.trim()),
            None => client,
        })
    }
}

/// `gateway submit`
#[derive(Debug, Args)]
pub struct Submit {
    /// The envelope (JSON), or a FHIR Bundle with its files in it; `-` for standard input
    pub file: PathBuf,
    /// Key that makes a repetition harmless: 16 to 64 of A-Za-z0-9_-; drawn at random when absent
    // One key in sixty-four begins with a hyphen.
    #[arg(long, allow_hyphen_values = true)]
    pub idempotency_key: Option<String>,
    /// A file that goes with it, and the class of its content: `--attach constats.pdf=sante`; may be repeated. The client
    /// itself adds what `attachments` of the envelope says of it
    #[arg(long, value_name = "FILE=CLASS", value_parser = file_and_class)]
    pub attach: Vec<(PathBuf, DataClass)>,
    /// Where to keep the receipt
    #[arg(long)]
    pub receipt: Option<PathBuf>,
    /// How to reach the gateway
    #[command(flatten)]
    pub link: Link,
}

/// `gateway mailbox`
#[derive(Debug, Subcommand)]
pub enum Mailbox {
    /// What waits for your unit, urgent first
    List {
        /// Unit, when you work in several
        #[arg(long)]
        unit: Option<String>,
        /// Seconds to wait for something new
        #[arg(long, default_value_t = 0)]
        wait: u64,
        /// Only what arrived after this cursor
        #[arg(long, default_value_t = 0)]
        after: i64,
        /// How many at most, 200 at most
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// Read one delivery: your opening is written in the log before anything is shown
    Open {
        /// Delivery id
        delivery: String,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// Fetch a file of a delivery; a fetch that broke off goes on where it was
    Attachment {
        /// Delivery id
        delivery: String,
        /// The address in its `content`, or the end of it
        name: String,
        /// Where to put it; must not be there yet
        #[arg(long)]
        to: PathBuf,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// Answer one delivery for your unit
    Acknowledge {
        /// Delivery id
        delivery: String,
        /// taken-in-charge, refused or not-for-us
        #[arg(long, default_value = "taken-in-charge", value_parser = ["taken-in-charge", "refused", "not-for-us"], hide_possible_values = true)]
        outcome: String,
        /// Why, unless taken in charge
        #[arg(long)]
        reason: Option<String>,
        /// Code read back on the telephone
        #[arg(long)]
        read_back: Option<String>,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
}

/// `gateway exchange`
#[derive(Debug, Subcommand)]
pub enum Exchange {
    /// What became of an exchange, as the law lets you see it
    Show {
        /// Exchange id
        exchange: String,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// Evidence that verifies offline with `gateway audit verify`
    Evidence {
        /// Exchange id
        exchange: String,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// Send the whole envelope again, as it should have been: everybody who got the first one gets it, and acknowledges it
    Correct {
        /// Exchange id of what is corrected
        exchange: String,
        /// The corrected envelope, JSON; `-` reads standard input. With files: `gateway submit`, the envelope naming `rectifies`
        file: PathBuf,
        /// Idempotency-Key; drawn at random when absent, and printed
        #[arg(long)]
        idempotency_key: Option<String>,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// Take back what you sent: everybody who got it is told why. A danger stays readable to them
    Withdraw {
        /// Exchange id
        exchange: String,
        /// Why, for those who received it
        #[arg(long)]
        motive: String,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// Record a telephone call about an urgent exchange; prints the code to be read back to you
    Telephone {
        /// Exchange id
        exchange: String,
        /// Nobody answered
        #[arg(long)]
        not_reached: bool,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// Say that you did what a follow-up asked
    Done {
        /// Follow-up id, as `exchange due` prints it
        follow_up: String,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// Destroy the key of a content (data-protection officer of the recipient); receipts and the log stay
    Erase {
        /// Exchange id
        exchange: String,
        /// Why
        #[arg(long)]
        motive: String,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// What is due to your units: clocks, reminders, follow-ups
    Due {
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
}

impl Mailbox {
    /// How the command reaches the gateway.
    pub fn link(&self) -> &Link {
        match self {
            Self::List { link, .. } | Self::Open { link, .. } | Self::Attachment { link, .. } | Self::Acknowledge { link, .. } => link,
        }
    }
}

impl Exchange {
    /// How the command reaches the gateway.
    pub fn link(&self) -> &Link {
        match self {
            Self::Show { link, .. }
            | Self::Evidence { link, .. }
            | Self::Correct { link, .. }
            | Self::Withdraw { link, .. }
            | Self::Telephone { link, .. }
            | Self::Done { link, .. }
            | Self::Erase { link, .. }
            | Self::Due { link } => link,
        }
    }
}

/// Deposits one envelope.
///
/// # Errors
/// [`CommandFault`].
pub async fn submit(options: Submit) -> Result<(), CommandFault> {
    let mut envelope = envelope(&options.file)?;
    let files = enclosures(&mut envelope, &options.attach).await?;
    deposit(&options.link, envelope, &files, options.idempotency_key, options.receipt.as_deref()).await
}

/// The envelope in a file, or on standard input.
fn envelope(file: &Path) -> Result<Value, CommandFault> {
    let bytes = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).map_err(|e| CommandFault::file(file, &e))?.into_bytes()
    } else {
        std::fs::read(file).map_err(|e| CommandFault::file(file, &e))?
    };
    exchange::canonical::parse(&bytes).map_err(|e| CommandFault::file(file, &e))
}

async fn deposit(
    link: &Link,
    envelope: Value,
    files: &[Enclosure],
    key: Option<String>,
    receipt: Option<&Path>,
) -> Result<(), CommandFault> {
    let key = match key {
        Some(key) => key,
        None => client::new_key()?,
    };
    let client = link.client()?;
    let answer = if envelope.get("resourceType").is_some() {
        client.submit_bundle(&envelope, &key).await?
    } else if files.is_empty() {
        client.submit(&envelope, &key).await?
    } else {
        client.submit_with(&envelope, files, &key).await?
    };
    let of = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(file) = receipt {
        std::fs::write(file, of("receipt")).map_err(|e| CommandFault::file(file, &e))?;
    }
    if link.json {
        print(&json!({"id": of("id"), "receipt": of("receipt"), "idempotency_key": key}).to_string());
    } else {
        print(&format!("Accepté : {}\nClé d’idempotence : {key}\nReçu : {}", of("id"), of("receipt")));
    }
    Ok(())
}

fn file_and_class(text: &str) -> Result<(PathBuf, DataClass), String> {
    let (file, class) = text.rsplit_once('=').ok_or("write FILE=CLASS, for example constats.pdf=sante")?;
    let class = class.parse().map_err(|_| {
        let classes: Vec<&str> = DataClass::ALL.iter().map(|class| class.as_str()).collect();
        format!("`{class}` is no data class; there are {}", classes.join(", "))
    })?;
    Ok((PathBuf::from(file), class))
}

/// The files that go with an envelope, described in it.
async fn enclosures(envelope: &mut Value, attach: &[(PathBuf, DataClass)]) -> Result<Vec<Enclosure>, CommandFault> {
    let mut files = Vec::new();
    for (file, class) in attach {
        files.push(Enclosure::of(file, *class).await?);
    }
    if let (false, Value::Object(envelope)) = (files.is_empty(), envelope) {
        let listed = envelope.entry("attachments").or_insert_with(|| json!([]));
        if let Value::Array(listed) = listed {
            listed.extend(files.iter().map(Enclosure::described));
        }
    }
    Ok(files)
}

/// Lists, opens, fetches, acknowledges.
///
/// # Errors
/// [`CommandFault`].
pub async fn mailbox(command: Mailbox) -> Result<(), CommandFault> {
    match command {
        Mailbox::List { unit, wait, after, limit, link } => {
            let unit = unit.map(|unit| format!("&unit={unit}")).unwrap_or_default();
            let page = link.client()?.get(&format!("/v1/mailbox?wait={wait}&after={after}&limit={limit}{unit}")).await?;
            if link.json {
                print(&page.to_string());
                return Ok(());
            }
            let waiting = page.get("deliveries").and_then(Value::as_array).cloned().unwrap_or_default();
            if waiting.is_empty() {
                print("Rien n’attend.");
            }
            for one in waiting {
                let of = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
                let sender = one.pointer("/sender/institution").and_then(Value::as_str).unwrap_or("-");
                print(&format!(
                    "{}  {:<9}  {}  {}  de {sender}  (échange {})",
                    of("delivery"),
                    of("urgency"),
                    of("delivered_at"),
                    of("type"),
                    of("exchange")
                ));
            }
        }
        Mailbox::Open { delivery, link } => {
            let document = link.client()?.get(&format!("/v1/mailbox/{delivery}")).await?;
            show(&link, &document);
        }
        Mailbox::Attachment { delivery, name, to, link } => {
            if to.exists() {
                return Err(CommandFault::file(&to, &"it is there already"));
            }
            let bar = ProgressBar::no_length();
            let style =
                ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {eta}").unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style);
            let told = |there, whole| {
                bar.set_length(whole);
                bar.set_position(there);
            };
            let name = name.rsplit('/').next().unwrap_or_default();
            link.client()?.fetch(&format!("/v1/mailbox/{delivery}/attachments/{name}"), &to, told).await?;
            bar.finish_and_clear();
            print(&if link.json { json!({"file": to}).to_string() } else { format!("Écrit : {}", to.display()) });
        }
        Mailbox::Acknowledge { delivery, outcome, reason, read_back, link } => {
            let mut body = json!({"outcome": outcome});
            if let Value::Object(body) = &mut body {
                body.extend(reason.map(|reason| ("reason".to_owned(), json!(reason))));
                body.extend(read_back.map(|code| ("read_back".to_owned(), json!(code))));
            }
            link.client()?.post(&format!("/v1/mailbox/{delivery}/acknowledgement"), &body).await?;
            print(if link.json { "{}" } else { "Réponse consignée." });
        }
    }
    Ok(())
}

/// Shows, proves, calls, lists what is due.
///
/// # Errors
/// [`CommandFault`].
pub async fn exchange(command: Exchange) -> Result<(), CommandFault> {
    let (link, answer) = match command {
        Exchange::Show { exchange, link } => {
            let answer = link.client()?.get(&format!("/v1/exchanges/{exchange}")).await?;
            (link, answer)
        }
        Exchange::Evidence { exchange, link } => {
            let answer = link.client()?.get(&format!("/v1/exchanges/{exchange}/evidence")).await?;
            (link, answer)
        }
        Exchange::Correct { exchange, file, idempotency_key, link } => {
            let mut envelope = envelope(&file)?;
            if let Value::Object(envelope) = &mut envelope {
                envelope.insert("rectifies".to_owned(), json!(exchange));
            }
            return deposit(&link, envelope, &[], idempotency_key, None).await;
        }
        Exchange::Withdraw { exchange, motive, link } => {
            let body = json!({"nature": "retrait", "motive": motive});
            let answer = link.client()?.post(&format!("/v1/exchanges/{exchange}/rectification"), &body).await?;
            (link, answer)
        }
        Exchange::Telephone { exchange, not_reached, link } => {
            let answer = link.client()?.post(&format!("/v1/exchanges/{exchange}/telephone"), &json!({"reached": !not_reached})).await?;
            (link, answer)
        }
        Exchange::Done { follow_up, link } => {
            link.client()?.post(&format!("/v1/follow-ups/{follow_up}/done"), &json!({})).await?;
            print(if link.json { "{}" } else { "Consigné." });
            return Ok(());
        }
        Exchange::Erase { exchange, motive, link } => {
            link.client()?.delete(&format!("/v1/exchanges/{exchange}"), &json!({"motive": motive})).await?;
            print(if link.json { "{}" } else { "Effacé." });
            return Ok(());
        }
        Exchange::Due { link } => {
            let answer = link.client()?.get("/v1/clocks").await?;
            if !link.json {
                print(&due(&answer));
                return Ok(());
            }
            (link, answer)
        }
    };
    show(&link, &answer);
    Ok(())
}

/// What is due, a line each, soonest first.
fn due(answer: &Value) -> String {
    let mut text = String::new();
    let parts = [
        ("Échéances", "clocks", ["limit", "title", "exchange"]),
        ("Rappels", "reminders", ["fired_at", "title", "exchange"]),
        ("À faire", "follow_ups", ["follow_up", "title", "exchange"]),
    ];
    for (title, list, fields) in parts {
        let mut lines: Vec<String> = answer
            .get(list)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|one| {
                let [first, what, exchange] = fields.map(|name| one.get(name).and_then(Value::as_str).unwrap_or("-"));
                let stage = match one.get("stage").and_then(Value::as_str) {
                    Some("warning") => "bientôt : ",
                    Some(_) => "dépassée : ",
                    None => "",
                };
                format!("\n  {first}  {stage}{what} (échange {exchange})")
            })
            .collect();
        lines.sort();
        text.push_str(&format!("{title} : {}{}\n", lines.len(), lines.concat()));
    }
    text.trim_end().to_owned()
}

pub(super) fn show(link: &Link, answer: &Value) {
    print(&if link.json { answer.to_string() } else { serde_json::to_string_pretty(answer).unwrap_or_default() });
}
