//! What is wrong with attachments that came, or with what is asked of one: each with what would cure it, in French.

use super::{Face, Refusal, face::face};

/// Why attachments were not taken, or not handed out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttachmentFault {
    /// The body is not `multipart/related`, breaks off, or has no envelope first.
    #[error("not multipart/related")]
    Malformed,
    /// The content is not the one that its `Content-ID` announces.
    #[error("altered on the way")]
    Altered,
    /// One is larger than is taken.
    #[error("too large")]
    TooLarge {
        /// MiB at most.
        at_most: u64,
    },
    /// There are more than is taken.
    #[error("too many")]
    TooMany {
        /// At most.
        at_most: usize,
    },
    /// Too many are being received at this moment.
    #[error("busy")]
    Busy,
    /// The range asked for lies beyond its end.
    #[error("range")]
    Range {
        /// Its size in bytes.
        size: u64,
    },
}

impl AttachmentFault {
    pub(super) fn face(&self) -> Face {
        match self {
            Self::Malformed => face(
                "attachments-malformed",
                400,
                "Envoi avec pièces illisible",
                "Le corps n’est pas un envoi multipart/related complet, dont la première partie est l’enveloppe en JSON.",
                "Envoyez l’enveloppe (application/json) en première partie, puis une partie par pièce, dont le Content-ID est l’empreinte SHA-256.",
            ),
            Self::Altered => face(
                "attachment-altered",
                400,
                "Pièce altérée",
                "Le contenu d’une pièce n’a pas l’empreinte annoncée par son Content-ID.",
                "Renvoyez avec la même clé : la pièce a été altérée en route, ou l’empreinte calculée sur un autre fichier.",
            ),
            Self::TooLarge { at_most } => face(
                "attachment-too-large",
                413,
                "Pièce trop volumineuse",
                &format!("Une pièce dépasse {at_most} Mio ; rien n’a été enregistré."),
                "Envoyez sans attendre l’échange sans cette pièce, puis la pièce réduite ou découpée dans un second envoi.",
            ),
            Self::TooMany { at_most } => face(
                "attachments-too-many",
                413,
                "Trop de pièces",
                &format!("L’envoi compte plus de {at_most} pièces ; rien n’a été enregistré."),
                "Répartissez les pièces sur plusieurs envois.",
            ),
            Self::Busy => face(
                "attachments-busy",
                503,
                "Trop de pièces en cours de réception",
                "La passerelle reçoit en ce moment autant de pièces qu’elle le peut.",
                "Réessayez avec la même clé après le délai de l’en-tête Retry-After ; si le danger presse, envoyez sans pièce.",
            ),
            Self::Range { size } => face(
                "range-not-satisfiable",
                416,
                "Intervalle hors de la pièce",
                &format!("La pièce compte {size} octets ; l’intervalle demandé commence après sa fin."),
                "Demandez un intervalle dans la pièce, ou la pièce entière.",
            ),
        }
    }
}

impl From<AttachmentFault> for Refusal {
    fn from(fault: AttachmentFault) -> Self {
        Self::Attachment(fault)
    }
}
