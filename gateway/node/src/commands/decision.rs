//! What is asked about decisions: "may I?" before sending (a member), and a past one again (on the gateway's machine).

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    CommandFault,
    member::{Link, show},
};

/// `gateway decision explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// submit or open
    #[arg(long, default_value = "submit", value_parser = ["submit", "open"], hide_possible_values = true)]
    pub action: String,
    /// Exchange type
    #[arg(long = "type")]
    pub kind: String,
    /// The other party: INSTITUTION or INSTITUTION/UNIT
    #[arg(long)]
    pub party: String,
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
    pub link: Link,
}

/// `gateway decision`
#[derive(Debug, Subcommand)]
pub enum Decision {
    /// Ask "may I?": nothing is sent; the answer names the article, the missing fact and the cure
    Explain(Box<Explain>),
    /// Ask a past decision again with the rules loaded now (on the gateway's machine)
    Replay {
        /// Exchange id
        exchange: String,
        /// Configuration of the gateway
        #[arg(long, env = "PASSERELLE_CONFIG", default_value = "gateway.toml")]
        config: PathBuf,
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
}

impl Decision {
    /// Whether the answer is for a program.
    pub fn json(&self) -> bool {
        match self {
            Self::Explain(question) => question.link.json,
            Self::Replay { json, .. } => *json,
        }
    }
}

/// Asks "may I?", or asks a past decision again.
///
/// # Errors
/// [`CommandFault`].
pub async fn decision(command: Decision) -> Result<ExitCode, CommandFault> {
    let asked = match command {
        Decision::Replay { exchange, config, json } => return super::audit::replay(&config, &exchange, json).await,
        Decision::Explain(asked) => asked,
    };
    let party = match asked.party.split_once('/') {
        Some((institution, unit)) => json!({"institution": institution, "unit": unit}),
        None => json!({"institution": asked.party}),
    };
    let mut question = json!({"action": asked.action, "type": asked.kind, "party": party});
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
    let answer = asked.link.client()?.post("/v1/decisions", &question).await?;
    show(&asked.link, &answer);
    Ok(ExitCode::SUCCESS)
}
