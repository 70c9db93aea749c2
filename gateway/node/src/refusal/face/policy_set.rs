//! What is told to who proposes or approves a policy set.

use exchange::envelope::FieldFault;

use super::{Face, face};
use crate::refusal::PolicyFault;

pub(super) fn policy_set(fault: &PolicyFault) -> Face {
    let (code, status, detail, cure) = match fault {
        PolicyFault::Mistakes(mistakes) => return with_mistakes(mistakes),
        PolicyFault::Unknown => (
            "policy-set-unknown",
            404,
            "Aucun jeu de règles ne porte cette empreinte, ou plusieurs commencent ainsi.",
            "Consultez gateway policy list, et donnez l’empreinte entière.",
        ),
        PolicyFault::InForceAlready => (
            "policy-set-in-force",
            409,
            "C’est le jeu en vigueur : il n’y a rien à proposer.",
            "Modifiez les fichiers du dossier des règles, ou nommez un jeu antérieur.",
        ),
        PolicyFault::Waiting => {
            ("policy-set-waiting", 409, "Ce jeu est déjà proposé et attend des approbations.", "Consultez gateway policy list.")
        }
        PolicyFault::NothingWaits => (
            "policy-set-not-waiting",
            409,
            "Aucune proposition de ce jeu n’attend d’approbation : il est en vigueur, l’a été, a été retiré, ou un autre est passé avant lui.",
            "Consultez gateway policy list ; au besoin, proposez-le de nouveau.",
        ),
        PolicyFault::OwnProposal => (
            "policy-set-own-proposal",
            403,
            "L’auteur d’une proposition ne l’approuve pas.",
            "Demandez l’approbation de deux autres personnes, de deux fonctions différentes.",
        ),
        PolicyFault::ApprovedBefore => (
            "policy-set-approved-before",
            409,
            "Vous avez déjà approuvé cette proposition.",
            "Il faut une seconde personne, d’une autre fonction.",
        ),
        PolicyFault::ApprovedByTwo => (
            "policy-set-approved",
            409,
            "Deux personnes ont déjà approuvé ce jeu ; il prendra effet à sa date.",
            "Consultez gateway policy list.",
        ),
        PolicyFault::SameFunction => (
            "policy-set-same-function",
            403,
            "L’autre approbation a été donnée dans la même fonction : il en faut deux différentes.",
            "Demandez l’approbation d’une personne d’une autre fonction.",
        ),
        PolicyFault::Moved => (
            "policy-set-moved",
            409,
            "Un autre jeu de règles est entré en vigueur depuis la comparaison.",
            "Comparez de nouveau avec le jeu en vigueur, puis approuvez, ou proposez de nouveau.",
        ),
    };
    face(code, status, TITLE, detail, cure)
}

fn with_mistakes(mistakes: &[String]) -> Face {
    let told = |mistake: &String| FieldFault { pointer: String::new(), code: "policy-mistake", detail: mistake.clone() };
    Face {
        errors: mistakes.iter().map(told).collect(),
        ..face(
            "policy-set-mistakes",
            422,
            TITLE,
            &format!("Les fichiers ont {} faute(s) ; rien n’a changé.", mistakes.len()),
            "Corrigez les fichiers indiqués (gateway check les vérifie tous), puis recommencez.",
        )
    }
}

const TITLE: &str = "Jeu de règles";
