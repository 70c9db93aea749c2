//! What the files of claims say: sentences about every decision, and sentences that are false.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Fault;

/// `invariants.toml` and `known-false.toml`.
#[derive(Debug)]
pub(crate) struct Sentences {
    /// What must hold.
    pub(crate) invariants: Vec<Sentence>,
    /// What must be refuted.
    pub(crate) known_false: Vec<Sentence>,
    /// Facts that say how complete a deposit is, and nothing else.
    pub(crate) completeness: Vec<String>,
}

/// Whatever the rules permit for one of `actions` where `given` holds, `then` holds too.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sentence {
    pub(crate) id: String,
    /// French.
    pub(crate) statement: String,
    /// `R05`.
    pub(crate) rules: Vec<String>,
    pub(crate) actions: Vec<String>,
    /// Entity type of the resource; absent: any.
    pub(crate) resource: Option<String>,
    /// Cedar.
    pub(crate) given: String,
    /// Cedar.
    pub(crate) then: String,
    /// What must keep it on its own; absent: the law alone, whatever a Département opens.
    #[serde(default = "law")]
    pub(crate) by: Vec<Part>,
    /// Only where the facts agree with the catalogue.
    #[serde(default)]
    pub(crate) world: bool,
    /// Of a false sentence.
    pub(crate) counter_example: Option<Pinned>,
}

/// Part of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    /// The prohibitions, with everything else permitted.
    Law,
    /// What the Département opens, without a prohibition.
    Local,
    /// Both together.
    All,
}

fn law() -> Vec<Part> {
    vec![Part::Law]
}

/// A counter-example that was once found and looked at.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pinned {
    /// Cedar's way: `Professional::"p"`.
    pub(crate) principal: String,
    pub(crate) resource: String,
    /// Facts that are not ordinary.
    pub(crate) facts: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    words: BTreeMap<String, String>,
    #[serde(default)]
    completeness: Vec<String>,
    #[serde(default)]
    invariant: Vec<Sentence>,
    #[serde(default)]
    known_false: Vec<Sentence>,
}

impl Sentences {
    /// Reads both files of `folder`.
    ///
    /// # Errors
    /// A file is missing or is not written that way; a false sentence has no counter-example.
    pub(crate) fn read(folder: &Path) -> Result<Self, Fault> {
        let (invariants, known_false) = (read(&folder.join("invariants.toml"))?, read(&folder.join("known-false.toml"))?);
        if let Some(bare) = known_false.known_false.iter().find(|sentence| sentence.counter_example.is_none()) {
            return Err(Fault::File(format!("known-false.toml: `{}` has no counter-example", bare.id)));
        }
        Ok(Self { invariants: invariants.invariant, known_false: known_false.known_false, completeness: invariants.completeness })
    }
}

fn read(path: &Path) -> Result<File, Fault> {
    let text = fs::read_to_string(path).map_err(|error| Fault::File(format!("{}: {error}", path.display())))?;
    let mut file: File = toml::from_str(&text).map_err(|error| Fault::File(format!("{}: {error}", path.display())))?;
    for sentence in file.invariant.iter_mut().chain(&mut file.known_false) {
        for expression in [&mut sentence.given, &mut sentence.then] {
            // Longest name first: `$crip` must not eat the beginning of `$crips`.
            for (word, meaning) in file.words.iter().rev() {
                *expression = expression.replace(&format!("${word}"), meaning);
            }
        }
    }
    Ok(file)
}
