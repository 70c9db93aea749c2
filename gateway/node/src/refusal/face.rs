//! The faces of refusals: code, status, and what a person is told, in French, with what would cure it.

mod native;
mod policy_set;

use exchange::{canonical, envelope::FieldFault};

use super::{CertificateFault, Fault, Refusal, TokenFault};
use crate::policy::Explanation;

/// What the wire shows of a refusal (RFC 9457).
pub struct Face {
    /// Stable code, `urn:passerelle:problem:<code>`.
    pub code: String,
    /// HTTP status.
    pub status: u16,
    /// Short French title.
    pub title: &'static str,
    /// French sentence.
    pub detail: String,
    /// What would cure it, in French.
    pub cure: Option<String>,
    /// Rule of the law tables.
    pub rule: Option<String>,
    /// Article.
    pub article: Option<String>,
    /// Fields concerned.
    pub errors: Vec<FieldFault>,
    /// Explanations of the decision.
    pub explanations: Vec<Explanation>,
    /// Whose fault.
    pub fault: Fault,
}

impl Refusal {
    /// The one place where a refusal meets HTTP.
    pub fn face(&self) -> Face {
        match self {
            Self::Unreadable(why) => face(
                "unreadable",
                400,
                "Document illisible",
                &format!("Le document n’est pas du JSON lisible sans ambiguïté : {}.", unreadable(why)),
                "Renvoyez le document en JSON (UTF-8, sans clé répétée, 32 niveaux au plus).",
            ),
            Self::Native(refused) => native::native(refused),
            Self::Malformed(what) => face(
                "malformed",
                400,
                "Requête mal formée",
                &format!("L’élément « {what} » de la requête est mal formé."),
                "Consultez /v1/openapi.json.",
            ),
            Self::NotConforming(errors) => Face {
                errors: errors.clone(),
                ..face(
                    "not-conforming",
                    422,
                    "Document non conforme",
                    &format!("{} champ(s) ne sont pas conformes au catalogue ; rien n’a été enregistré.", errors.len()),
                    "Corrigez les champs indiqués et renvoyez avec la même clé.",
                )
            },
            Self::UnknownType => face(
                "unknown-type",
                422,
                "Type d’échange inconnu",
                "Ce type d’échange n’existe pas, ou pas à cette date.",
                "Consultez GET /v1/catalogue.",
            ),
            Self::UnknownRecipient => face(
                "unknown-recipient",
                422,
                "Destinataire inconnu",
                "L’annuaire ne connaît pas ce destinataire.",
                "Consultez GET /v1/directory.",
            ),
            Self::SenderMismatch => face(
                "sender-mismatch",
                403,
                "Émetteur différent du certificat",
                "L’institution émettrice n’est pas celle du certificat présenté.",
                "Déposez au nom de votre institution : nul n’agit pour une autre.",
            ),
            Self::Certificate(fault) => certificate(*fault),
            Self::TokenMissing => face(
                "token-missing",
                401,
                "Professionnel non identifié",
                "Cette action est celle d’un professionnel nommé ; aucun jeton n’a été présenté.",
                "Ajoutez l’en-tête Authorization: Bearer avec un jeton de votre institution.",
            ),
            Self::Token(fault) => token(*fault),
            Self::UnknownProfessional => face(
                "unknown-professional",
                403,
                "Professionnel inconnu",
                "L’annuaire ne connaît pas ce professionnel dans cette institution.",
                "Demandez à l’administrateur de votre institution de vous inscrire.",
            ),
            Self::RoleMissing(role) => Face {
                rule: Some("R81".into()),
                article: Some("Référentiel CNIL protection de l’enfance".into()),
                ..face(
                    "role-missing",
                    403,
                    "Droit nécessaire",
                    &format!("Cette action demande : {role}."),
                    "Adressez-vous à une personne qui a ce droit, ou à l’administrateur de votre institution.",
                )
            },
            Self::Denied(explanations) => denied(explanations),
            Self::Undecidable => Face {
                fault: Fault::Ours,
                ..face(
                    "undecidable",
                    503,
                    "Décision impossible",
                    "La décision n’a pas pu être prise ; dans le doute, rien n’est transmis.",
                    "Réessayez ; si le danger est grave et immédiat, téléphonez.",
                )
            },
            Self::Agreement(state) => Face {
                rule: Some("R05".into()),
                article: Some("CASF L226-3".into()),
                ..face(
                    "no-agreement",
                    403,
                    "Protocole nécessaire",
                    &format!("Aucun protocole en vigueur ne couvre cet échange ({state})."),
                    "Indiquez dans `agreement` un protocole en vigueur pour ce type et ces deux services ; GET /v1/agreements les liste.",
                )
            },
            Self::Task(fault) => {
                let (code, status, title, detail, cure) = fault.words();
                let (rule, article) = fault.source();
                Face { rule: rule.map(str::to_owned), article: article.map(str::to_owned), ..face(code, status, title, &detail, cure) }
            }
            Self::KeyMissing => face(
                "idempotency-key-missing",
                400,
                "Clé d’idempotence absente",
                "L’en-tête Idempotency-Key est nécessaire.",
                "Tirez une clé au hasard (16 à 64 caractères parmi A-Za-z0-9_-) et gardez-la pour les répétitions.",
            ),
            Self::KeyMalformed => face(
                "idempotency-key-malformed",
                400,
                "Clé d’idempotence mal formée",
                "L’en-tête Idempotency-Key doit compter 16 à 64 caractères parmi A-Za-z0-9_-.",
                "Tirez une autre clé au hasard.",
            ),
            Self::KeyReused => face(
                "idempotency-key-reused",
                409,
                "Clé d’idempotence déjà utilisée",
                "Cette clé a déjà servi pour un autre document.",
                "Pour un nouvel échange, tirez une nouvelle clé ; pour répéter, renvoyez le même document.",
            ),
            Self::Erased { id, at } => face(
                "erased",
                410,
                "Contenu effacé",
                &format!("L’échange {id} a été accepté, puis son contenu effacé le {at}."),
                "Le reçu que vous avez gardé reste vérifiable.",
            ),
            Self::DigestMismatch => face(
                "digest-mismatch",
                400,
                "Empreinte différente",
                "L’empreinte annoncée n’est pas celle du corps reçu.",
                "Renvoyez : le corps a été altéré en route.",
            ),
            Self::TooLarge => face(
                "too-large",
                413,
                "Document trop volumineux",
                "Le corps dépasse la limite.",
                "Raccourcissez le document ; un document JSON compte au plus 1 Mio, sauf autre réglage de la passerelle.",
            ),
            Self::Attachment(fault) => fault.face(),
            Self::MediaType => face(
                "media-type",
                415,
                "Format non pris en charge",
                "Ce type de média n’est pas lu ici.",
                "Envoyez application/json ou application/fhir+json, ou multipart/related pour un dépôt avec pièces ; sous /fhir, \
                 application/fhir+json.",
            ),
            Self::NotAcceptable => face(
                "not-acceptable",
                406,
                "Format de réponse non disponible",
                "Aucun des formats que demande l’en-tête Accept n’est écrit ici.",
                "Demandez application/fhir+json sous /fhir, application/json ailleurs, ou rien.",
            ),
            Self::FormatClosed => face(
                "format-not-open",
                415,
                "Format non ouvert pour ce type",
                "Ce type d’échange ne se dépose pas dans ce format.",
                "Déposez l’enveloppe en JSON par POST /v1/exchanges ; GET /v1/catalogue dit les formats de chaque type.",
            ),
            Self::TooMany { .. } => face(
                "too-many-requests",
                429,
                "Trop de requêtes",
                "Ce certificat a dépassé son débit.",
                "Attendez le délai de l’en-tête Retry-After.",
            ),
            Self::Overloaded => Face {
                fault: Fault::Ours,
                ..face(
                    "overloaded",
                    503,
                    "Passerelle surchargée",
                    "La passerelle reçoit plus de demandes qu’elle n’en peut traiter ; elle garde ses moyens pour ce qui signale un danger. \
                     Rien n’a été enregistré.",
                    "Renvoyez la même demande, avec la même clé, après le délai de l’en-tête Retry-After ; le dépôt d’un danger reste ouvert.",
                )
            },
            Self::NotFound => face(
                "not-found",
                404,
                "Introuvable",
                "Cela n’existe pas, ou ne vous est pas accessible.",
                "Vérifiez l’identifiant ; l’accès est réservé aux professionnels habilités du service destinataire ou émetteur.",
            ),
            Self::Withdrawn { at } => face(
                "withdrawn",
                410,
                "Retiré par son expéditeur",
                &format!("L’expéditeur a retiré cet échange le {at}."),
                "La remise du retrait dit pourquoi ; au besoin, demandez à l’expéditeur de déposer un nouvel échange.",
            ),
            Self::AlreadyAcknowledged => face(
                "already-acknowledged",
                409,
                "Déjà répondu",
                "Un professionnel du service a déjà répondu à cette remise.",
                "Consultez l’échange pour voir la réponse.",
            ),
            Self::PolicySet(fault) => policy_set::policy_set(fault),
            Self::Over(what) => face("over", 409, "Délai passé ou déjà fait", &format!("{what}."), "Faites une nouvelle demande."),
            Self::Unavailable(_) => Face {
                fault: Fault::Ours,
                ..face(
                    "unavailable",
                    503,
                    "Momentanément indisponible",
                    "Rien n’a été enregistré.",
                    "Renvoyez le même document avec la même clé ; si le danger est grave et immédiat, téléphonez.",
                )
            },
            Self::Unsigned => Face {
                fault: Fault::Ours,
                ..face(
                    "record-not-signed",
                    503,
                    "Journal momentanément non signé",
                    "Rien n’est remis tant que le journal n’a pas signé la trace de cette remise.",
                    "Réessayez ; si le danger est grave et immédiat, téléphonez.",
                )
            },
            Self::Internal(_) => Face {
                fault: Fault::Ours,
                ..face(
                    "internal",
                    500,
                    "Erreur interne",
                    "Une erreur de la passerelle a empêché de répondre ; rien n’a été enregistré.",
                    "Renvoyez le même document avec la même clé ; signalez l’identifiant de la requête.",
                )
            },
        }
    }
}

pub(super) fn face(code: &str, status: u16, title: &'static str, detail: &str, cure: &str) -> Face {
    Face {
        code: code.to_owned(),
        status,
        title,
        detail: detail.to_owned(),
        cure: Some(cure.to_owned()),
        rule: None,
        article: None,
        errors: Vec::new(),
        explanations: Vec::new(),
        fault: Fault::Caller,
    }
}

fn denied(explanations: &[Explanation]) -> Face {
    let first = explanations.first();
    Face {
        detail: first.map_or_else(|| "Aucune règle ne permet cet échange.".to_owned(), |e| e.explain.clone()),
        cure: first.map(|e| e.cure.clone()),
        rule: first.map(|e| e.rule.clone()),
        article: first.map(|e| e.article.clone()),
        explanations: explanations.to_vec(),
        ..face("denied", 403, "Refusé par la règle", "", "")
    }
}

fn token(fault: TokenFault) -> Face {
    match fault {
        TokenFault::Malformed => face(
            "token-malformed",
            401,
            "Jeton de professionnel refusé",
            "L’en-tête Authorization n’est pas un jeton Bearer.",
            "Écrivez « Authorization: Bearer <jeton> ».",
        ),
        TokenFault::Refused(refusal) => face(refusal.code(), 401, "Jeton de professionnel refusé", refusal.sentence(), refusal.cure()),
        TokenFault::Revoked => {
            face("token-revoked", 401, "Jeton de professionnel révoqué", "Votre institution a révoqué ce jeton.", "Demandez-en un autre.")
        }
    }
}

fn certificate(fault: CertificateFault) -> Face {
    let (code, detail, cure) = match fault {
        CertificateFault::NoInstitution => (
            "certificate-no-institution",
            "Le certificat ne désigne pas une institution, et une seule.",
            "Demandez un certificat dont le SAN porte une seule URI urn:passerelle:institution:<id>.",
        ),
        CertificateFault::UnknownInstitution => (
            "certificate-unknown-institution",
            "L’institution de ce certificat n’est pas inscrite à l’annuaire, ou pas à cette date.",
            "Demandez à l’administrateur de la passerelle de l’inscrire.",
        ),
        CertificateFault::WrongAuthority => (
            "certificate-wrong-authority",
            "L’autorité qui a signé ce certificat ne répond pas de cette institution.",
            "Demandez un certificat à l’autorité inscrite à l’annuaire pour cette institution.",
        ),
        CertificateFault::Revoked => ("certificate-revoked", "Ce certificat est révoqué.", "Demandez un nouveau certificat."),
        CertificateFault::Expired => ("certificate-expired", "Ce certificat a expiré.", "Demandez un nouveau certificat."),
        CertificateFault::StaleRevocation => (
            "revocation-stale",
            "La liste de révocation n’est plus à jour : seuls les dépôts d’informations préoccupantes et de signalements restent ouverts, 72 heures au plus.",
            "Réessayez quand la liste aura été renouvelée.",
        ),
        CertificateFault::Siren => (
            "certificate-siren",
            "Le SIREN du certificat n’est pas celui de l’annuaire pour cette institution.",
            "Demandez un certificat au bon SIREN, ou faites corriger l’annuaire.",
        ),
        CertificateFault::UnknownAuthority => {
            ("certificate-unknown-authority", "L’autorité de ce certificat n’est plus reconnue.", "Demandez un nouveau certificat.")
        }
    };
    face(code, 403, "Certificat refusé", detail, cure)
}

fn unreadable(why: &canonical::Unreadable) -> String {
    match why {
        canonical::Unreadable::NotUtf8(at) => format!("octet {at} hors UTF-8"),
        canonical::Unreadable::NotJson { line, column } => format!("erreur à la ligne {line}, colonne {column}"),
        canonical::Unreadable::DuplicateKey { line, column } => format!("clé répétée à la ligne {line}, colonne {column}"),
        canonical::Unreadable::TooDeep => "plus de 32 niveaux".to_owned(),
    }
}
