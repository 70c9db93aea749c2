//! What is wrong with what somebody said of a task, or asked for in an emergency: each with what would cure it, in French.

use exchange::Instant;

/// Why a task is neither ended nor put off, or an emergency access not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskFault {
    /// The means is missing, or is none that counts.
    #[error("means")]
    Means,
    /// The finding is missing, or is none of this task.
    #[error("finding")]
    Finding,
    /// It does not say where it went.
    #[error("destination")]
    Destination,
    /// The law does not let it not be done, or not on this basis.
    #[error("dispense")]
    Dispense,
    /// Written words are missing or too short.
    #[error("words")]
    Words,
    /// The day lies ahead, or too far back.
    #[error("day")]
    Day,
    /// It may not wait.
    #[error("not deferrable")]
    NotDeferrable,
    /// It may not wait on this basis.
    #[error("basis")]
    Basis,
    /// Somebody else decides that it waits.
    #[error("not the decision of this person")]
    NotTheirDecision,
    /// The end lies behind, or beyond what is allowed.
    #[error("end")]
    End {
        /// The latest end that is allowed.
        latest: Instant,
    },
    /// Whoever read in an emergency does not review it.
    #[error("own review")]
    OwnReview,
    /// One person does not review one emergency access twice, in two functions.
    #[error("reviewed before")]
    ReviewedBefore,
    /// The reason of an emergency is missing or too short.
    #[error("reason")]
    Reason,
    /// No data class is named, or one that does not exist.
    #[error("classes")]
    Classes,
    /// It would last longer than is configured.
    #[error("duration")]
    Duration {
        /// Minutes at most.
        minutes: u32,
    },
    /// Nobody in the institution could review it.
    #[error("nobody reviews")]
    NobodyReviews,
    /// It cannot be erased while a danger waits for its answer or an emergency access for its review.
    #[error("still open")]
    StillOpen,
}

impl TaskFault {
    /// Code, status, title, sentence and cure.
    pub(super) fn words(&self) -> (&'static str, u16, &'static str, String, &'static str) {
        let task = "Tâche non consignée";
        let emergency = "Accès d’urgence refusé";
        match self {
            Self::Means => (
                "task-means",
                422,
                task,
                "Il faut dire par quel moyen la personne a été avisée, et ce moyen doit convenir à cette tâche.".into(),
                "Indiquez `means` ; GET /v1/follow-ups donne les moyens qui conviennent.",
            ),
            Self::Finding => (
                "task-finding",
                422,
                task,
                "Il faut dire ce qui a été constaté, par l’un des codes de cette tâche.".into(),
                "Indiquez `finding` ; GET /v1/follow-ups donne les codes.",
            ),
            Self::Destination => (
                "task-destination",
                422,
                task,
                "Il faut dire où cela est allé : l’échange que votre service a envoyé, ou le département.".into(),
                "Indiquez `exchange` (un échange envoyé par votre service) ou `departement` (code INSEE).",
            ),
            Self::Dispense => (
                "task-dispense",
                422,
                task,
                "La loi ne permet pas de ne pas accomplir cette tâche, ou pas pour ce motif.".into(),
                "Accomplissez-la ; GET /v1/follow-ups donne les motifs qu’elle admet.",
            ),
            Self::Words => (
                "task-words",
                422,
                task,
                "Il faut l’écrire en clair, en 20 caractères au moins : la raison, le document, qui l’a demandé.".into(),
                "Complétez `words` ; ce texte est gardé sous scellé.",
            ),
            Self::Day => (
                "task-day",
                422,
                task,
                "Le jour indiqué est à venir, ou trop ancien pour cet échange.".into(),
                "Indiquez dans `on` le jour où cela a été fait : pas avant l’échange, ou dans le mois qui précède si quelqu’un a été avisé.",
            ),
            Self::NotDeferrable => {
                ("task-not-deferrable", 422, "Report refusé", "Cette tâche ne peut pas être reportée.".into(), "Accomplissez-la.")
            }
            Self::Basis => (
                "task-basis",
                422,
                "Report refusé",
                "Un report a une base légale, et celle-ci ne convient pas à cette tâche.".into(),
                "Indiquez `basis` ; GET /v1/follow-ups donne les bases qui conviennent.",
            ),
            Self::NotTheirDecision => (
                "task-not-your-decision",
                403,
                "Report refusé",
                "Ce report est la décision d’un cadre ou d’un magistrat.".into(),
                "Adressez-vous au cadre de votre service.",
            ),
            Self::End { latest } => (
                "task-end",
                422,
                "Report refusé",
                format!("Un report a une fin : après maintenant, et au plus tard le {latest}."),
                "Indiquez dans `until` une date plus proche ; un report peut être renouvelé dans la limite totale.",
            ),
            Self::ReviewedBefore => (
                "reviewed-before",
                403,
                "Revue refusée",
                "Vous avez déjà revu cet accès d’urgence dans une autre fonction.".into(),
                "Les deux revues sont faites par deux personnes : laissez celle-ci à une autre.",
            ),
            Self::OwnReview => (
                "review-own",
                403,
                "Revue refusée",
                "On ne revoit pas son propre accès d’urgence.".into(),
                "Laissez une autre personne de cette fonction le revoir.",
            ),
            Self::Reason => (
                "urgence-reason",
                422,
                emergency,
                "Un accès d’urgence demande un motif écrit de 20 caractères au moins.".into(),
                "Écrivez dans `reason` pourquoi vous devez lire maintenant ; ce texte est gardé sous scellé et relu.",
            ),
            Self::Classes => (
                "urgence-classes",
                422,
                emergency,
                "Un accès d’urgence nomme les classes de données à lire.".into(),
                "Indiquez dans `classes` les classes nécessaires, par exemple « identite » et « social ».",
            ),
            Self::Duration { minutes } => (
                "urgence-duration",
                422,
                emergency,
                format!("Un accès d’urgence dure au moins une minute et au plus {minutes} minutes."),
                "Indiquez dans `minutes` une durée plus courte.",
            ),
            Self::NobodyReviews => (
                "urgence-nobody-reviews",
                403,
                emergency,
                "Personne d’autre dans cette institution ne pourrait revoir cet accès.".into(),
                "Faites inscrire à l’annuaire un délégué à la protection des données ; en cas de danger immédiat, téléphonez.",
            ),
            Self::StillOpen => (
                "still-open",
                409,
                "Effacement refusé",
                "Ce danger n’a pas encore reçu de réponse, ou un accès d’urgence n’a pas encore été revu.".into(),
                "Effacez quand le service destinataire a répondu et que les revues sont faites.",
            ),
        }
    }

    /// Rule and article.
    pub(super) fn source(&self) -> (Option<&'static str>, Option<&'static str>) {
        match self {
            Self::NotDeferrable | Self::Basis | Self::NotTheirDecision | Self::End { .. } | Self::Dispense => {
                (Some("R32"), Some("CASF L226-5 al. 3 ; L226-2-1"))
            }
            Self::OwnReview | Self::ReviewedBefore | Self::Reason | Self::Classes | Self::Duration { .. } | Self::NobodyReviews => {
                (Some("R81"), Some("RGPD 32 ; référentiel CNIL protection de l’enfance"))
            }
            Self::StillOpen => (Some("R12"), Some("CASF L226-3 ; RGPD 17 § 3 b")),
            Self::Means | Self::Finding | Self::Destination | Self::Words | Self::Day => (None, None),
        }
    }
}
