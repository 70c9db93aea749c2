//! The table: each sentence proved or refuted, with the counter-example that refutes it.

use std::{fmt, time::Duration};

use cedar_policy::{Entities, EntityUid, Policy, PolicySet};
use gateway::proof::{ProofFault, Prover, Witness, claim, guards, world::ABOUT_AN_EXCHANGE};

use crate::{
    Fault,
    ground::Ground,
    special,
    written::{Part, Pinned, Sentence, Sentences},
};

/// What became of one sentence.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// No request contradicts it.
    Proved,
    /// This one does, or these rules do.
    Refuted(String),
    /// The solver does not say.
    Undecided(String),
}

/// One line.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) rules: Vec<String>,
    pub(crate) statement: String,
    pub(crate) outcome: Outcome,
    /// What is worth saying beside the outcome.
    pub(crate) remark: String,
}

/// Everything that was proved and refuted.
#[derive(Debug)]
pub(crate) struct Table {
    hash: String,
    invariants: Vec<Row>,
    /// Refuted is what these must be.
    known_false: Vec<Row>,
    questions: usize,
    took: Duration,
}

impl Table {
    /// Proves everything about the rules of `ground`.
    ///
    /// # Errors
    /// A file cannot be used; the solver is not there or is broken.
    pub(crate) async fn of(prover: &mut Prover, ground: &Ground, sentences: &Sentences) -> Result<Self, Fault> {
        let begun = std::time::Instant::now();
        let mut invariants = Vec::new();
        for sentence in &sentences.invariants {
            invariants.push(prove(prover, ground, sentence).await?);
        }
        invariants.extend(special::all(prover, ground, sentences).await?);
        let mut known_false = Vec::new();
        for sentence in &sentences.known_false {
            let mut row = prove(prover, ground, sentence).await?;
            row.remark.clear();
            if let Some(what) = sentence.counter_example.as_ref().and_then(|pinned| stale(ground, sentence, pinned)) {
                row.outcome = Outcome::Undecided(what);
            }
            known_false.push(row);
        }
        Ok(Self { hash: ground.hash.clone(), invariants, known_false, questions: prover.asked, took: begun.elapsed() })
    }

    /// Every invariant is proved and every false sentence refuted.
    pub(crate) fn holds(&self) -> bool {
        self.invariants.iter().all(|row| matches!(row.outcome, Outcome::Proved))
            && self.known_false.iter().all(|row| matches!(row.outcome, Outcome::Refuted(_)))
            && !self.known_false.is_empty()
    }
}

/// The first thing that the rules of `ground` break, or nothing: all but what is asked of each single rule.
///
/// # Errors
/// As [`Table::of`].
pub(crate) async fn first_broken(prover: &mut Prover, ground: &Ground, sentences: &Sentences) -> Result<Option<String>, Fault> {
    for sentence in &sentences.invariants {
        if !matches!(prove(prover, ground, sentence).await?.outcome, Outcome::Proved) {
            return Ok(Some(sentence.id.clone()));
        }
    }
    for sentence in &sentences.known_false {
        if sentence.counter_example.as_ref().and_then(|pinned| stale(ground, sentence, pinned)).is_some() {
            return Ok(Some(sentence.id.clone()));
        }
    }
    let rows = special::quick(prover, ground, sentences).await?;
    Ok(rows.into_iter().find(|row| !matches!(row.outcome, Outcome::Proved)).map(|row| row.id))
}

/// Asks the solver for a request that contradicts one sentence, of each part that must keep it and in each kind of
/// request it speaks of.
async fn prove(prover: &mut Prover, ground: &Ground, sentence: &Sentence) -> Result<Row, Fault> {
    let mut row = Row {
        id: sentence.id.clone(),
        rules: sentence.rules.clone(),
        statement: sentence.statement.clone(),
        outcome: Outcome::Proved,
        remark: String::new(),
    };
    let envs = ground.envs(&sentence.actions, sentence.resource.as_deref());
    if envs.is_empty() || sentence.by.is_empty() {
        row.outcome = Outcome::Undecided("aucune question de ce genre dans le schéma".to_owned());
        return Ok(row);
    }
    let conclusion = claim(&sentence.actions, &sentence.then)?;
    for part in &sentence.by {
        let premise = premise(ground, sentence, *part)?;
        for env in &envs {
            match prover.implies((&ground.whole.schema, env), &premise, &conclusion).await {
                Ok(None) => {}
                Ok(Some(witness)) => {
                    let still = |one: &Witness| one.permitted_by(&premise) && !one.permitted_by(&conclusion);
                    let witness = told(&witness.simplest(&ground.words.ordinary(env.action().id().unescaped()), &still), ground);
                    row.outcome = Outcome::Refuted(format!("{} : {witness}", part.said()));
                    return Ok(row);
                }
                Err(fault @ ProofFault::NoSolver(_)) => return Err(fault.into()),
                Err(fault) => {
                    row.outcome = Outcome::Undecided(format!("{fault} ({})", env.action()));
                    return Ok(row);
                }
            }
        }
    }
    row.remark = match sentence.by.as_slice() {
        [Part::Law] => String::new(),
        parts => format!("tenu par {}", parts.iter().map(|part| part.said()).collect::<Vec<_>>().join(", et par ")),
    };
    Ok(row)
}

/// A part of the rules, where the sentence speaks.
fn premise(ground: &Ground, sentence: &Sentence, part: Part) -> Result<PolicySet, Fault> {
    let mut premise = match part {
        Part::All => ground.rules()?,
        Part::Law => ground.law(&|_| true)?,
        Part::Local => ground.local()?,
    };
    extend(&mut premise, guards("given", &sentence.actions, &[&sentence.given])?)?;
    if sentence.world {
        extend(&mut premise, guards("world", &ABOUT_AN_EXCHANGE, &ground.world)?)?;
    }
    Ok(premise)
}

impl Part {
    fn said(self) -> &'static str {
        match self {
            Self::Law => "la loi seule",
            Self::Local => "les règles locales seules",
            Self::All => "l’ensemble des règles",
        }
    }
}

/// Adds rules to a set.
///
/// # Errors
/// Two rules have one name.
pub(crate) fn extend(set: &mut PolicySet, rules: impl IntoIterator<Item = Policy>) -> Result<(), Fault> {
    for rule in rules {
        set.add(rule).map_err(|error| Fault::File(error.to_string()))?;
    }
    Ok(())
}

/// Why a counter-example that was kept is none any more; nothing when it still is one.
fn stale(ground: &Ground, sentence: &Sentence, pinned: &Pinned) -> Option<String> {
    let uid = |text: &str| text.parse::<EntityUid>().map_err(|_| format!("« {text} » n’est pas une entité"));
    let Some(action) = sentence.actions.first() else { return Some("aucune action".to_owned()) };
    let mut facts = ground.words.ordinary(action);
    if let Some(unknown) = pinned.facts.keys().find(|name| !facts.contains_key(*name)) {
        return Some(format!("le contre-exemple gardé parle d’un fait inconnu, {unknown}"));
    }
    facts.extend(pinned.facts.clone());
    let (principal, action, resource) = match (uid(&pinned.principal), uid(&format!("Action::{action:?}")), uid(&pinned.resource)) {
        (Ok(principal), Ok(action), Ok(resource)) => (principal, action, resource),
        (Err(what), _, _) | (_, Err(what), _) | (_, _, Err(what)) => return Some(what),
    };
    let witness = Witness { principal, action, resource, facts, entities: Entities::empty() };
    let (Ok(premise), Ok(conclusion)) = (premise(ground, sentence, Part::All), claim(&sentence.actions, &sentence.then)) else {
        return Some("l’énoncé ne se lit pas".to_owned());
    };
    (!witness.permitted_by(&premise) || witness.permitted_by(&conclusion))
        .then(|| "le contre-exemple gardé n’en est plus un : les règles ont changé, ou l’énoncé".to_owned())
}

/// A witness by what is not ordinary in it.
pub(crate) fn told(witness: &Witness, ground: &Ground) -> String {
    let ordinary = ground.words.ordinary(witness.action.id().unescaped());
    let odd = witness.facts.iter().filter(|(name, value)| ordinary.get(*name) != Some(value));
    let odd: Vec<String> = odd.map(|(name, value)| format!("{name} = {value}")).collect();
    let facts = if odd.is_empty() { "tous les faits ordinaires".to_owned() } else { odd.join(", ") };
    format!("{} {} ; {facts}", witness.action.id().unescaped(), witness.resource)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Preuves sur le jeu de règles {}", self.hash.get(..12).unwrap_or_default())?;
        for row in self.invariants.iter().chain(&self.known_false) {
            let word = match &row.outcome {
                Outcome::Proved => "prouvé",
                Outcome::Refuted(_) => "réfuté",
                Outcome::Undecided(_) => "INDÉCIS",
            };
            writeln!(f, "  {word:<8} {:<26} {:<20} {}", row.id, row.rules.join(" "), row.statement)?;
            match &row.outcome {
                Outcome::Proved if row.remark.is_empty() => {}
                Outcome::Proved => writeln!(f, "           {}", row.remark)?,
                Outcome::Refuted(what) | Outcome::Undecided(what) => writeln!(f, "           {what}")?,
            }
        }
        let count = |rows: &[Row], wanted: fn(&Outcome) -> bool| rows.iter().filter(|row| wanted(&row.outcome)).count();
        write!(
            f,
            "{} invariants prouvés sur {} ; {} énoncés faux réfutés sur {} ; {} questions au solveur, {:.1} s.",
            count(&self.invariants, |outcome| matches!(outcome, Outcome::Proved)),
            self.invariants.len(),
            count(&self.known_false, |outcome| matches!(outcome, Outcome::Refuted(_))),
            self.known_false.len(),
            self.questions,
            self.took.as_secs_f64()
        )
    }
}
