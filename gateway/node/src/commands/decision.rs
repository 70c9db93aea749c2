//! What is asked about decisions: "may I?" before sending (a member), and those of the log: explained, asked again, listed,
//! put to another policy set (on the gateway's machine).

mod past;
mod told;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use exchange::InstitutionId;
use serde_json::{Value, json};

use super::{
    CommandFault,
    member::{Link, show},
};

pub use past::{Simulate, simulate};

/// `gateway decision explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// A decision of the log, explained on the gateway's machine: exchange id, or number of an entry (`decision list`)
    pub decision: Option<String>,
    /// With a decision: institution of the auditor or data-protection officer who reads it; the reading is logged
    #[arg(long, requires = "decision", requires = "professional")]
    pub institution: Option<InstitutionId>,
    /// With a decision: subject of that person in the directory
    #[arg(long, requires = "decision", requires = "institution")]
    pub professional: Option<String>,
    /// With a decision: configuration of the gateway
    #[arg(long, env = "PASSERELLE_CONFIG", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// submit or open
    #[arg(long, default_value = "submit", value_parser = ["submit", "open"], hide_possible_values = true)]
    pub action: String,
    /// Exchange type
    #[arg(long = "type", required_unless_present = "decision", conflicts_with = "decision")]
    pub kind: Option<String>,
    /// The other party: INSTITUTION or INSTITUTION/UNIT
    #[arg(long, required_unless_present = "decision", conflicts_with = "decision")]
    pub party: Option<String>,
    /// Your own unit, when you work in several
    #[arg(long)]
    pub unit: Option<String>,
    /// Classes the document would hold; all those of the type when absent
    #[arg(long = "class")]
    pub classes: Vec<String>,
    /// Purpose; the type's first when absent
    #[arg(long)]
    pub purpose: Option<String>,
    /// Agreement invoked
    #[arg(long)]
    pub agreement: Option<String>,
    /// immediate, priority, ordinary or batch
    #[arg(long, value_parser = ["immediate", "priority", "ordinary", "batch"], hide_possible_values = true)]
    pub urgency: Option<String>,
    /// Code of CL-info-parents, for example `faite` or `non-faite-interet-enfant`
    #[arg(long)]
    pub parents_informed: Option<String>,
    /// The reason for not informing the parents is written
    #[arg(long)]
    pub parents_reason: bool,
    /// Code of CL-accord-personne: whether the person concerned agreed
    #[arg(long)]
    pub person_agreed: Option<String>,
    /// What a field marked as a fact would say, for example `nature=article-40-cpp`
    #[arg(long = "said")]
    pub said: Vec<String>,
    /// It belongs to a case that both services follow
    #[arg(long)]
    pub case: bool,
    /// Code of CL-info-enfant
    #[arg(long)]
    pub child_informed: Option<String>,
    /// Why sharing is strictly necessary
    #[arg(long)]
    pub necessity: Option<String>,
    /// How to reach the gateway
    #[command(flatten)]
    pub link: AnyLink,
}

/// How a member reaches a gateway; not needed for a decision of the log.
#[derive(Debug, Args)]
pub struct AnyLink {
    /// Address of the gateway, for example `https://passerelle.example:8443`
    #[arg(long, env = "PASSERELLE_GATEWAY", default_value = "https://localhost:8443")]
    pub gateway: String,
    /// Certificate chain of your institution (PEM)
    #[arg(long, env = "PASSERELLE_CERTIFICATE", required_unless_present = "decision")]
    pub certificate: Option<PathBuf>,
    /// Private key of your institution (PEM)
    #[arg(long, env = "PASSERELLE_KEY", required_unless_present = "decision")]
    pub key: Option<PathBuf>,
    /// Authorities under which the gateway's certificate stands (PEM)
    #[arg(long, env = "PASSERELLE_AUTHORITIES", required_unless_present = "decision")]
    pub authorities: Option<PathBuf>,
    /// Professional token, as `gateway token issue` prints it
    #[arg(long, env = "PASSERELLE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
}

impl AnyLink {
    fn whole(self) -> Option<Link> {
        let Self { gateway, certificate, key, authorities, token, json } = self;
        Some(Link { gateway, certificate: certificate?, key: key?, authorities: authorities?, token, json })
    }
}

/// Where the log is, and for whom the output is.
#[derive(Debug, Args)]
pub struct Here {
    /// Configuration of the gateway
    #[arg(long, env = "PASSERELLE_CONFIG", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
}

/// `gateway decision`
#[derive(Debug, Subcommand)]
pub enum Decision {
    /// Ask "may I?" with --type and --party (member), or explain a decision of the log by its id (gateway's machine)
    ///
    /// Before sending, `explain --type … --party …`: nothing is sent; the answer names the article, the missing fact and the
    /// cure. Afterwards, `explain ID --institution … --professional …`, for an auditor or the data-protection officer: facts,
    /// rules, articles, obligations, what was withheld; the reading is an entry of the log.
    Explain(Box<Explain>),
    /// Ask past decisions again with the policy set of their day; exit code 1 when an answer differs (gateway's machine)
    Replay {
        /// Exchange id (its acceptance, its openings, its refusals), or number of an entry
        decision: String,
        /// Where the log is
        #[command(flatten)]
        here: Here,
    },
    /// List the decisions of the log: entry, instant, event, answer, rules; names nobody (gateway's machine)
    List {
        /// First day (2027-01-01) or instant; absent: the last thirty days
        #[arg(long, value_parser = super::policy_sets::from)]
        since: Option<exchange::Instant>,
        /// Refusals only
        #[arg(long)]
        refused: bool,
        /// Where the log is
        #[command(flatten)]
        here: Here,
    },
}

impl Decision {
    /// Whether the answer is for a program.
    pub fn json(&self) -> bool {
        match self {
            Self::Explain(question) => question.link.json,
            Self::Replay { here, .. } | Self::List { here, .. } => here.json,
        }
    }
}

/// Asks "may I?", or examines what was decided.
///
/// # Errors
/// [`CommandFault`].
pub async fn decision(command: Decision) -> Result<ExitCode, CommandFault> {
    match command {
        Decision::Replay { decision, here } => past::replay(&decision, &here).await,
        Decision::List { since, refused, here } => past::list(since, refused, &here).await,
        Decision::Explain(asked) => match asked.decision.clone() {
            Some(decision) => past::explain(&decision, *asked).await,
            None => may_i(*asked).await,
        },
    }
}

async fn may_i(asked: Explain) -> Result<ExitCode, CommandFault> {
    let (Some(party), Some(kind)) = (asked.party, asked.kind) else {
        return Err(CommandFault::Gateway("give --type and --party, or the id of a decision of the log".to_owned()));
    };
    let party = match party.split_once('/') {
        Some((institution, unit)) => json!({"institution": institution, "unit": unit}),
        None => json!({"institution": party}),
    };
    let mut question = json!({"action": asked.action, "type": kind, "party": party});
    let given = [
        ("unit", asked.unit),
        ("purpose", asked.purpose),
        ("agreement", asked.agreement),
        ("urgency", asked.urgency),
        ("parents_informed", asked.parents_informed),
        ("child_informed", asked.child_informed),
        ("person_agreed", asked.person_agreed),
        ("necessity", asked.necessity),
    ];
    if let Value::Object(question) = &mut question {
        question.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
        for (name, given) in [("parents_reason", asked.parents_reason), ("case", asked.case)] {
            if given {
                question.insert(name.to_owned(), json!(true));
            }
        }
        if !asked.said.is_empty() {
            question.insert("said".into(), json!(asked.said));
        }
        if !asked.classes.is_empty() {
            question.insert("classes".into(), json!(asked.classes));
        }
    }
    let link = asked.link.whole().ok_or_else(|| CommandFault::Gateway("give --certificate, --key and --authorities".to_owned()))?;
    let answer = link.client()?.post("/v1/decisions", &question).await?;
    show(&link, &answer);
    Ok(ExitCode::SUCCESS)
}
