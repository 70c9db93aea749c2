//! What a member types about what is still owed: `task` (list, show, done, defer) and `urgence` (open, list).

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    CommandFault,
    member::{Link, show},
    print,
};

/// `gateway task`
#[derive(Debug, Subcommand)]
pub enum Task {
    /// What your units and functions still have to do, the soonest limit first
    List {
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// One task: how it may end, what let it wait, what was said of it; your reading of words is written in the log
    Show {
        /// Task id, as `task list` prints it
        task: String,
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
    /// Say that a task is done, and how
    Done(Done),
    /// Let a task wait: on a legal basis, until a date; decided by a head or a magistrate
    Defer(Defer),
}

/// `gateway task done`
#[derive(Debug, Args)]
pub struct Done {
    /// Task id, as `task list` prints it
    task: String,
    /// The day it was done, 2026-11-26; today when absent
    #[arg(long)]
    on: Option<String>,
    /// By which means somebody was told: courrier, entretien, …
    #[arg(long)]
    means: Option<String>,
    /// What was found: a code that `task list` prints
    #[arg(long)]
    finding: Option<String>,
    /// Not done, on this basis, which the law must allow: interet-enfant, …; then --words says why
    #[arg(long)]
    dispense: Option<String>,
    /// The exchange by which it was done
    #[arg(long)]
    exchange: Option<String>,
    /// Département where it went (INSEE code)
    #[arg(long)]
    departement: Option<String>,
    /// What should be read later; 20 characters at least, kept sealed
    #[arg(long)]
    words: Option<String>,
    /// How to reach the gateway
    #[command(flatten)]
    link: Link,
}

/// `gateway task defer`
#[derive(Debug, Args)]
pub struct Defer {
    /// Task id, as `task list` prints it
    task: String,
    /// Legal basis: reserve-magistrat, secret-enquete, droits-parentaux-limites, autre
    #[arg(long)]
    basis: String,
    /// When the task comes back, 2026-12-15T09:00:00Z
    #[arg(long)]
    until: String,
    /// Which document, and who asked for it; 20 characters at least, kept sealed
    #[arg(long)]
    words: String,
    /// How to reach the gateway
    #[command(flatten)]
    link: Link,
}

/// `gateway urgence`
#[derive(Debug, Subcommand)]
pub enum Urgence {
    /// Read in an emergency what came to your institution: a reason, some classes, a short time; it is reviewed
    Open(Open),
    /// Emergency accesses of your institution, reviewed or not (data-protection officer, auditor, head of the CRIP)
    List {
        /// How to reach the gateway
        #[command(flatten)]
        link: Link,
    },
}

/// `gateway urgence open`
#[derive(Debug, Args)]
pub struct Open {
    /// Exchange id, or delivery id with --delivery
    id: String,
    /// The id is a delivery's
    #[arg(long)]
    delivery: bool,
    /// Why you must read now; 20 characters at least, kept sealed. Needless while an earlier access lasts
    #[arg(long)]
    reason: Option<String>,
    /// A data class to read: identite, contact, social, sante, …; as often as needed
    #[arg(long = "class")]
    classes: Vec<String>,
    /// How many minutes it lasts; as long as the gateway allows when absent
    #[arg(long)]
    minutes: Option<u32>,
    /// How to reach the gateway
    #[command(flatten)]
    link: Link,
}

impl Task {
    /// How the command reaches the gateway.
    pub fn link(&self) -> &Link {
        match self {
            Self::List { link } | Self::Show { link, .. } => link,
            Self::Done(done) => &done.link,
            Self::Defer(defer) => &defer.link,
        }
    }
}

impl Urgence {
    /// How the command reaches the gateway.
    pub fn link(&self) -> &Link {
        match self {
            Self::Open(open) => &open.link,
            Self::List { link } => link,
        }
    }
}

/// Lists, shows, ends, defers.
///
/// # Errors
/// [`CommandFault`].
pub async fn task(command: Task) -> Result<(), CommandFault> {
    match command {
        Task::List { link } => {
            let answer = link.client()?.get("/v1/follow-ups").await?;
            if link.json {
                show(&link, &answer);
            } else {
                print(&lines(&answer));
            }
        }
        Task::Show { task, link } => {
            let answer = link.client()?.get(&format!("/v1/follow-ups/{task}")).await?;
            show(&link, &answer);
        }
        Task::Done(done) => {
            let body = present([
                ("on", done.on),
                ("means", done.means),
                ("finding", done.finding),
                ("dispense", done.dispense),
                ("exchange", done.exchange),
                ("departement", done.departement),
                ("words", done.words),
            ]);
            done.link.client()?.post(&format!("/v1/follow-ups/{}/done", done.task), &body).await?;
            print(if done.link.json { "{}" } else { "Consigné." });
        }
        Task::Defer(defer) => {
            let body = json!({"basis": defer.basis, "until": defer.until, "words": defer.words});
            let answer = defer.link.client()?.post(&format!("/v1/follow-ups/{}/deferral", defer.task), &body).await?;
            if defer.link.json {
                show(&defer.link, &answer);
            } else {
                print(&format!("Reporté : la tâche revient le {}.", text(&answer, "/deferred_until")));
            }
        }
    }
    Ok(())
}

/// Reads in an emergency, or lists who did.
///
/// # Errors
/// [`CommandFault`].
pub async fn urgence(command: Urgence) -> Result<(), CommandFault> {
    match command {
        Urgence::Open(open) => {
            let mut body = present([("reason", open.reason)]);
            if let Value::Object(body) = &mut body {
                body.insert("classes".into(), json!(open.classes));
                body.extend(open.minutes.map(|minutes| ("minutes".to_owned(), json!(minutes))));
            }
            let of = if open.delivery { "mailbox" } else { "exchanges" };
            let answer = open.link.client()?.post(&format!("/v1/{of}/{}/urgence", open.id), &body).await?;
            show(&open.link, &answer);
        }
        Urgence::List { link } => {
            let answer = link.client()?.get("/v1/urgences").await?;
            if link.json {
                show(&link, &answer);
            } else {
                print(&accesses(&answer));
            }
        }
    }
    Ok(())
}

/// The tasks, a line each, the soonest limit first and those without one last.
fn lines(answer: &Value) -> String {
    let mut lines: Vec<(String, String)> = list(answer, "follow_ups")
        .map(|task| {
            let limit = text(task, "/clock/limit");
            let state = match task.get("state").and_then(Value::as_str) {
                Some("deferred") => format!("reportée au {}", text(task, "/deferred_until")),
                Some(_) | None if task.pointer("/clock/overdue").is_some_and(|late| *late == json!(true)) => {
                    format!("dépassée depuis {limit}")
                }
                Some(_) | None if limit.is_empty() => "sans échéance".to_owned(),
                Some(_) | None => format!("avant le {limit}"),
            };
            let line = format!("  {}  {} ; {state} (échange {})", text(task, "/follow_up"), text(task, "/title"), text(task, "/exchange"));
            (if limit.is_empty() { "~".to_owned() } else { limit }, line)
        })
        .collect();
    lines.sort();
    let head = format!("À faire : {}", lines.len());
    std::iter::once(head).chain(lines.into_iter().map(|(_, line)| line)).collect::<Vec<_>>().join("\n")
}

fn accesses(answer: &Value) -> String {
    let lines: Vec<String> = list(answer, "urgences")
        .map(|access| {
            let late = list(access, "reviews").any(|review| review.get("overdue") == Some(&json!(true)));
            let reviewed = match (access.get("reviewed") == Some(&json!(true)), late) {
                (true, _) => "revu",
                (false, true) => "revue en retard",
                (false, false) => "à revoir",
            };
            let classes: Vec<&str> = list(access, "classes").filter_map(Value::as_str).collect();
            let who = text(access, "/professional/subject");
            let [from, until, exchange] = ["/granted_at", "/until", "/exchange"].map(|name| text(access, name));
            format!("  {from} → {until}  {who}  {}  {reviewed} (échange {exchange})", classes.join(", "))
        })
        .collect();
    let head = format!("Accès d’urgence : {}", lines.len());
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A body of what was given.
fn present<const N: usize>(fields: [(&str, Option<String>); N]) -> Value {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect::<serde_json::Map<_, _>>().into()
}
