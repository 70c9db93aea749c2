//! What is wrong with attachments that came, or with what is asked of one: each with what would cure it, in French.

use super::{Face, Fault, Refusal, face::face};

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
    /// They took longer to come than is waited for.
    #[error("too slow")]
    TooSlow,
    /// The disk has no room for files.
    #[error("no room")]
    NoRoom,
    /// The range asked for lies beyond its end.
    #[error("range")]
    Range,
}

impl AttachmentFault {
    pub(super) fn face(&self) -> Face {
        match self {
            Self::Malformed => face(
                "attachments-malformed",
                400,
                "Envoi avec pièces illisible",
                "Le corps n’est pas un envoi en parties complet (multipart/related), dont la première est l’enveloppe en JSON.",
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
            Self::Busy => Face {
                fault: Fault::Ours,
                ..face(
                    "attachments-busy",
                    503,
                    "Trop de pièces en cours de réception",
                    "La passerelle reçoit en ce moment autant de pièces qu’elle le peut, de votre institution ou de toutes.",
                    "Réessayez avec la même clé après le délai de l’en-tête Retry-After. Si le danger presse, envoyez l’échange sans pièce, sous une \
                     nouvelle clé ; la pièce suivra dans un autre envoi.",
                )
            },
            Self::TooSlow => face(
                "attachments-too-slow",
                408,
                "Pièces trop lentes à venir",
                "Les pièces ne sont pas venues en une heure ; rien n’a été enregistré.",
                "Envoyez l’échange sans pièce, sous une nouvelle clé, puis les pièces une par une par une meilleure connexion.",
            ),
            Self::NoRoom => Face {
                fault: Fault::Ours,
                ..face(
                    "attachments-no-room",
                    503,
                    "Plus de place pour des pièces",
                    "La passerelle n’a plus de place pour recevoir des pièces ; elle reçoit encore les échanges.",
                    "Envoyez l’échange sans pièce, sous une nouvelle clé, et prévenez l’administrateur de la passerelle.",
                )
            },
            Self::Range => face(
                "range-not-satisfiable",
                416,
                "Intervalle hors de la pièce",
                "L’intervalle demandé commence après la fin de la pièce.",
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
