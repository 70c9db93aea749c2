//! Mutation: each rule, clause and obligation taken away or turned round, one at a time. Who notices?
//!
//! A mutant is killed when it does not load, when a case gets another answer, or when a proof breaks. What nobody
//! notices is either untested or idle: a survivor, to be killed by a new case or explained in `survivors.toml`.

mod breed;
mod hunt;

use std::{collections::BTreeMap, fs, num::NonZeroUsize, path::Path, sync::Mutex};

use clap::Args;
use exchange::Instant;
use serde::Deserialize;

use self::{
    breed::{Mutant, breed},
    hunt::{Fate, Hunter},
};
use gateway::proof::on_a_deep_stack;

use crate::{Fault, print, written::Sentences};

/// `prove mutate`
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Cases only: no solver, a third of the time
    #[arg(long)]
    cases_only: bool,
    /// Every Nth mutant only: a sample
    #[arg(long, default_value = "1")]
    every: NonZeroUsize,
    /// How many at a time
    #[arg(long, default_value = "2")]
    jobs: NonZeroUsize,
    /// Say what killed each mutant
    #[arg(long)]
    verbose: bool,
}

/// A survivor with its reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Explained {
    mutant: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Survivors {
    #[serde(default)]
    survivor: Vec<Explained>,
}

/// Hunts every mutant; whether none survives without a reason.
///
/// # Errors
/// A file cannot be used, the solver is not there, or the rules as they are do not pass.
pub(crate) async fn mutate(options: &Options, folder: &Path, claims: &Path, at: Instant, sentences: &Sentences) -> Result<bool, Fault> {
    let begun = std::time::Instant::now();
    let explained = survivors(&claims.join("survivors.toml"))?;
    let every = options.every.get();
    let mutants: Vec<Mutant> = breed(folder)?.into_iter().enumerate().filter(|(n, _)| n % every == 0).map(|(_, one)| one).collect();
    let waiting = Mutex::new(mutants.iter());
    let hunt = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Fault::File(error.to_string()))?;
        runtime.block_on(async {
            let mut hunter = Hunter::new(folder, at, sentences, !options.cases_only)?;
            hunter.passes_untouched().await?;
            let mut fates = BTreeMap::new();
            loop {
                let next = waiting.lock().ok().and_then(|mut waiting| waiting.next());
                let Some(mutant) = next else { return Ok::<_, Fault>(fates) };
                fates.insert(mutant.name.clone(), hunter.hunt(mutant).await?);
            }
        })
    };
    let mut fates = BTreeMap::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs.get()).map(|_| scope.spawn(|| on_a_deep_stack(hunt))).collect();
        for worker in workers {
            fates.extend(worker.join().map_err(|_| Fault::File("a hunter stopped on its own".to_owned()))??);
        }
        Ok::<_, Fault>(())
    })?;
    Ok(report(options, &fates, &explained, begun.elapsed().as_secs_f64()))
}

fn report(options: &Options, fates: &BTreeMap<String, Fate>, explained: &[Explained], seconds: f64) -> bool {
    let count = |wanted: fn(&Fate) -> bool| fates.values().filter(|fate| wanted(fate)).count();
    let reason = |name: &str| explained.iter().find(|one| one.mutant == name).map(|one| one.reason.as_str());
    let (mut bare, mut with_reason) = (0_usize, 0_usize);
    for (name, fate) in fates {
        match (fate, reason(name)) {
            (Fate::Survives, None) => {
                bare += 1;
                print(&format!("SURVIT     {name}"));
            }
            (Fate::Survives, Some(why)) => {
                with_reason += 1;
                print(&format!("expliqué   {name} : {why}"));
            }
            (killed, told) => {
                if options.verbose {
                    print(&format!("tué        {name} : {killed}"));
                }
                if told.is_some() && !options.cases_only {
                    print(&format!("à ôter     {name} : survivors.toml l’explique, mais il ne survit plus"));
                }
            }
        }
    }
    let gone = explained.iter().filter(|one| options.every.get() == 1 && !fates.contains_key(&one.mutant));
    gone.for_each(|one| print(&format!("à ôter     {} : survivors.toml parle d’une règle qui n’est plus", one.mutant)));
    print(&format!(
        "{} mutants : {} ne se chargent pas, {} tués par un cas, {} par une preuve ; \
         {with_reason} survivants expliqués, {bare} sans explication ; {seconds:.0} s.",
        fates.len(),
        count(|fate| matches!(fate, Fate::DoesNotLoad)),
        count(|fate| matches!(fate, Fate::Case(_))),
        count(|fate| matches!(fate, Fate::Proof(_))),
    ));
    // Without the solver the survivors are only candidates.
    bare == 0 || options.cases_only
}

fn survivors(path: &Path) -> Result<Vec<Explained>, Fault> {
    let text = fs::read_to_string(path).map_err(|error| Fault::File(format!("{}: {error}", path.display())))?;
    let file: Survivors = toml::from_str(&text).map_err(|error| Fault::File(format!("{}: {error}", path.display())))?;
    Ok(file.survivor)
}
