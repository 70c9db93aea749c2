//! The ground that proofs stand on: the rules of the day, one agreement linked for all, the catalogue's world.

use std::path::Path;

use cedar_policy::{Effect, PolicySet, RequestEnv};
use exchange::Instant;
use gateway::{
    catalogue::Catalogue,
    policy::{Policies, Whole},
    proof::{
        claim,
        twin::{Words, linked},
        world::world,
    },
};

use crate::Fault;

/// Parties of the one agreement that stands for all: no rule names an institution, so that any two others would do.
pub(crate) const PARTIES: (&str, &str) = ("partie-expeditrice", "partie-destinataire");

/// What is proved about.
pub(crate) struct Ground {
    /// Hash of the policy set.
    pub(crate) hash: String,
    /// The rules of the day.
    pub(crate) whole: Whole,
    /// Cedar expressions: the facts agree with the catalogue, types to come included.
    pub(crate) world: Vec<String>,
    /// The words of the rules, for schemas with more of them.
    pub(crate) words: Words,
}

impl Ground {
    /// Loads the rules and the catalogue of a folder as the gateway does.
    ///
    /// # Errors
    /// Every mistake of the files.
    pub(crate) fn load(folder: &Path, at: Instant) -> Result<Self, Fault> {
        let catalogue = Catalogue::load(&folder.join("catalogue")).map_err(|faults| Fault::File(lines(&faults)))?;
        let known = |code: &str| catalogue.obligation(code).is_some();
        let policies = Policies::load(folder, &known).map_err(|faults| Fault::File(lines(&faults)))?;
        Self::of(folder, &policies, &catalogue, at)
    }

    /// The ground of rules that are already loaded.
    ///
    /// # Errors
    /// The schema cannot be written in another form.
    pub(crate) fn of(folder: &Path, policies: &Policies, catalogue: &Catalogue, at: Instant) -> Result<Self, Fault> {
        let words = Words::read(folder)?;
        Ok(Self { hash: policies.hash().to_owned(), whole: policies.whole(at), world: world(catalogue, at).of_any_type(), words })
    }

    /// The rules that `keep` keeps, with the agreement of [`PARTIES`] when it is kept too.
    ///
    /// # Errors
    /// Two rules have one name.
    pub(crate) fn set(&self, keep: &dyn Fn(&str) -> bool) -> Result<PolicySet, Fault> {
        let mut set = PolicySet::from_policies(self.whole.rules.iter().filter(|(id, _)| keep(id)).map(|(_, rule)| rule.clone()))
            .map_err(|error| Fault::File(error.to_string()))?;
        if let Some(template) = self.whole.template.as_ref().filter(|template| keep(template.id().as_ref())) {
            set.add(linked(template, PARTIES)?).map_err(|error| Fault::File(error.to_string()))?;
        }
        Ok(set)
    }

    /// Every rule, with the agreement.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub(crate) fn rules(&self) -> Result<PolicySet, Fault> {
        self.set(&|_| true)
    }

    /// The kept prohibitions, and a permit for all else: what the law keeps, whatever a Département opens.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub(crate) fn law(&self, keep: &dyn Fn(&str) -> bool) -> Result<PolicySet, Fault> {
        let mut set = claim(&[""; 0], "true")?;
        for (_, rule) in self.whole.rules.iter().filter(|(id, rule)| rule.effect() == Effect::Forbid && keep(id)) {
            set.add(rule.clone()).map_err(|error| Fault::File(error.to_string()))?;
        }
        Ok(set)
    }

    /// What a Département opens, as if there were no law.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub(crate) fn local(&self) -> Result<PolicySet, Fault> {
        self.set(&|id| self.whole.rules.get(id).is_none_or(|rule| rule.effect() == Effect::Permit))
    }

    /// The kinds of request of some actions, on one type of resource or on any.
    pub(crate) fn envs(&self, actions: &[String], resource: Option<&str>) -> Vec<RequestEnv> {
        let mut envs: Vec<RequestEnv> = self
            .whole
            .schema
            .request_envs()
            .filter(|env| actions.is_empty() || actions.iter().any(|action| env.action().id().unescaped() == action))
            .filter(|env| resource.is_none_or(|kind| env.resource().to_string() == kind))
            .collect();
        envs.sort_by_key(|env| (env.action().to_string(), env.principal().to_string(), env.resource().to_string()));
        envs
    }
}

/// Faults, one a line.
pub(crate) fn lines(faults: &[impl ToString]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
