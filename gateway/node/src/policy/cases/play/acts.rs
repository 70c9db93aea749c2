//! Cases about persons rather than documents: a re-identification, « ce dossier est-il connu ? », its answer.

use std::collections::BTreeSet;

use exchange::{ExchangeId, Instant, ProfessionalId};

use super::{Got, party, person, refused, word};
use crate::{
    catalogue::Catalogue,
    directory::{Professional, Role},
    policy::{
        AgreementState, Denial, Granted, Inquiry, Policies, Protected, Reidentification, Stage,
        cases::written::{Answer, Ask, Case, Guard, Person, Place, Standing},
    },
};

pub(super) fn play(policies: &Policies, catalogue: &Catalogue, case: &Case, now: Instant) -> Result<Got, String> {
    for kind in [&case.from, &case.to] {
        catalogue.kind(kind).ok_or_else(|| format!("sorte inconnue : {kind}"))?;
    }
    let written = case.person.as_ref().ok_or("il faut une personne")?;
    let who = person(written, case.ask)?;
    match case.ask {
        Ask::Reidentify => reidentify(policies, case, &who, now),
        Ask::Query => inquire(policies, case, (&who, written), Stage::Ask, now),
        Ask::Release => inquire(policies, case, (&who, written), Stage::Release, now),
        Ask::Submit | Ask::Open | Ask::BreakGlass | Ask::BreakGlassWithoutReason | Ask::BreakGlassOver => {
            Err("il faut un type d’échange".to_owned())
        }
    }
}

fn reidentify(policies: &Policies, case: &Case, who: &Professional, now: Instant) -> Result<Got, String> {
    let dual = &case.dual;
    let other = |n: usize| ProfessionalId { subject: format!("p-1000{}", if dual.one_person { 0 } else { n }), ..who.id.clone() };
    let approvals: Vec<(ProfessionalId, BTreeSet<Role>)> = dual
        .approved_by
        .iter()
        .enumerate()
        .map(|(n, functions)| {
            let id = if n == 0 && dual.own_approval { who.id.clone() } else { other(n) };
            (id, functions.iter().copied().collect())
        })
        .collect();
    let domain = word("destinataire")?;
    outcome(policies.reidentify(&Reidentification {
        request: ExchangeId::new(),
        domain: &domain,
        domain_kind: &case.to,
        protected: match dual.protected {
            None | Some(Guard::Aucune) => Protected::Ordinary,
            Some(Guard::Declarant) => Protected::Reporter,
            Some(Guard::LieuAccueil) => Protected::Place,
            Some(Guard::Statistique) => Protected::Statistics,
        },
        asker: who,
        reason: dual.reason,
        approvals: &approvals,
        in_time: !dual.late,
        unused: !dual.used,
        now,
    }))
}

fn inquire(policies: &Policies, case: &Case, (who, written): (&Professional, &Person), stage: Stage, now: Instant) -> Result<Got, String> {
    let id = word("convention")?;
    let (from, to) = (party("expediteur")?, party("destinataire")?);
    let parties = [from.clone(), to.clone()];
    let others = [from.clone(), party("tiers")?];
    let (purposes, classes) = (BTreeSet::new(), BTreeSet::new());
    let questions = BTreeSet::new();
    let in_force = |parties| AgreementState::InForce { id: &id, parties, purposes: &purposes, classes: &classes, questions: &questions };
    outcome(policies.inquire(&Inquiry {
        question: ExchangeId::new(),
        stage,
        from_kind: &case.from,
        to_kind: &case.to,
        ends: (&from.institution, &to.institution),
        who,
        in_unit: written.works_in == Place::Recipient,
        habilitated: written.habilitated,
        has_case: case.case,
        budget_left: case.inquiry.budget_left,
        same_departement: case.inquiry.same_departement,
        agreement: match case.agreement.as_ref().map(|agreement| agreement.state) {
            None => AgreementState::NotNamed,
            Some(Standing::InForce) => in_force(&parties),
            Some(Standing::OtherParties) => in_force(&others),
            Some(Standing::OtherType) => AgreementState::OutOfScope,
            Some(Standing::Ended) => AgreementState::NotInForce,
        },
        excluded: case.inquiry.excluded,
        now,
    }))
}

fn outcome(answer: Result<Granted, Denial>) -> Result<Got, String> {
    match answer {
        Ok(granted) => Ok(Got {
            answer: Answer::Permit,
            explanations: Vec::new(),
            withheld: BTreeSet::new(),
            alarm: false,
            record: granted.record().clone(),
        }),
        Err(denial) => refused(denial),
    }
}
