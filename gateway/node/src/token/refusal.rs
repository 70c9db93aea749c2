//! Why a professional token is not believed: a stable code, a French sentence and its cure.
//!
//! Nothing here repeats a word of the token.

/// The reason a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("professional token refused: {}", self.code())]
pub enum TokenRefusal {
    /// More than 8 KiB.
    TooLarge,
    /// Not a compact JWS of JSON header and claims.
    Malformed,
    /// `typ` is not `passerelle-professional+jwt`.
    WrongType,
    /// `alg` is `none`.
    Unsigned,
    /// `alg` is an HMAC.
    SharedSecret,
    /// `alg` is an RSA signature.
    Rsa,
    /// `alg` is missing or another one.
    UnknownAlgorithm,
    /// `crit` asks for an extension; we understand none.
    CriticalHeader,
    /// The institution has no issuer in the directory.
    NoIssuer,
    /// `iss` is not the issuer of the certificate's institution.
    AnotherIssuer,
    /// `kid` is missing or no key of the issuer.
    UnknownKey,
    /// `alg` and the key of this `kid` do not go together.
    KeyMismatch,
    /// The signature is not that of the key.
    BadSignature,
    /// A claim is missing or of another type.
    MissingClaim,
    /// `jti` is not 8 to 64 printable characters.
    BadTokenId,
    /// `sub` is not an opaque id of 3 to 40 printable characters.
    BadSubject,
    /// `aud` is not this gateway.
    AnotherAudience,
    /// `exp` is not after `iat` by 10 minutes at most.
    TooLong,
    /// `iat` or `nbf` lies more than 30 s ahead.
    NotYet,
    /// `exp` is past by 30 s or more.
    Expired,
    /// `cnf.x5t#S256` is not the certificate of this connection.
    AnotherCertificate,
}

impl TokenRefusal {
    /// Every reason.
    pub const ALL: &[Self] = &[
        Self::TooLarge,
        Self::Malformed,
        Self::WrongType,
        Self::Unsigned,
        Self::SharedSecret,
        Self::Rsa,
        Self::UnknownAlgorithm,
        Self::CriticalHeader,
        Self::NoIssuer,
        Self::AnotherIssuer,
        Self::UnknownKey,
        Self::KeyMismatch,
        Self::BadSignature,
        Self::MissingClaim,
        Self::BadTokenId,
        Self::BadSubject,
        Self::AnotherAudience,
        Self::TooLong,
        Self::NotYet,
        Self::Expired,
        Self::AnotherCertificate,
    ];

    /// Stable code, for problems and metrics.
    pub const fn code(self) -> &'static str {
        self.said().0
    }

    /// What is wrong, in French.
    pub const fn sentence(self) -> &'static str {
        self.said().1
    }

    /// What would cure it, in French.
    pub const fn cure(self) -> &'static str {
        self.said().2
    }

    const fn said(self) -> (&'static str, &'static str, &'static str) {
        const SIGN: &str = "Signez le jeton en ES256 ou en EdDSA avec une clé de votre établissement.";
        const ANNOUNCE: &str = "Demandez à l’administrateur de la passerelle d’inscrire votre clé publique à l’annuaire.";
        const AGAIN: &str = "Demandez un nouveau jeton à votre établissement.";
        const CLOCK: &str = "Réglez l’horloge de la machine qui signe, puis demandez un nouveau jeton.";
        match self {
            Self::TooLarge => ("token-too-large", "Le jeton dépasse 8 Kio.", "N’y mettez que les champs demandés."),
            Self::Malformed => ("token-malformed", "Le jeton n’est pas un JWT lisible.", AGAIN),
            Self::WrongType => {
                ("token-wrong-type", "Ce jeton n’est pas un jeton de professionnel.", "Écrivez « typ » : « passerelle-professional+jwt ».")
            }
            Self::Unsigned => ("token-unsigned", "Le jeton n’est pas signé.", SIGN),
            Self::SharedSecret => ("token-shared-secret", "Le jeton est scellé par un secret partagé, qui ne prouve pas son auteur.", SIGN),
            Self::Rsa => ("token-rsa", "Les signatures RSA ne sont pas admises ici.", SIGN),
            Self::UnknownAlgorithm => ("token-unknown-algorithm", "L’algorithme de signature du jeton n’est pas admis.", SIGN),
            Self::CriticalHeader => {
                ("token-critical-header", "Le jeton exige une extension que la passerelle ne connaît pas.", "Retirez l’en-tête « crit ».")
            }
            Self::NoIssuer => ("token-no-issuer", "L’annuaire ne connaît aucun émetteur de jetons pour votre établissement.", ANNOUNCE),
            Self::AnotherIssuer => (
                "token-another-issuer",
                "Le jeton vient d’un autre établissement que le certificat : nul n’agit pour autrui.",
                "Présentez un jeton émis par l’établissement dont vous utilisez le certificat.",
            ),
            Self::UnknownKey => ("token-unknown-key", "La clé qui a signé le jeton n’est pas à l’annuaire.", ANNOUNCE),
            Self::KeyMismatch => ("token-key-mismatch", "L’algorithme du jeton ne va pas avec la clé désignée.", SIGN),
            Self::BadSignature => ("token-bad-signature", "La signature du jeton est fausse.", AGAIN),
            Self::MissingClaim => (
                "token-missing-claim",
                "Il manque au jeton un champ, ou un champ n’a pas la bonne forme.",
                "Donnez iss, sub, aud, iat, exp, jti et cnf « x5t#S256 ».",
            ),
            Self::BadTokenId => {
                ("token-bad-id", "L’identifiant « jti » du jeton ne convient pas.", "Donnez un « jti » unique de 8 à 64 caractères.")
            }
            Self::BadSubject => (
                "token-bad-subject",
                "Le « sub » du jeton n’est pas un identifiant de l’annuaire.",
                "Donnez l’identifiant opaque du professionnel, jamais son nom.",
            ),
            Self::AnotherAudience => (
                "token-another-audience",
                "Le jeton est destiné à une autre passerelle.",
                "Demandez un jeton dont « aud » est cette passerelle.",
            ),
            Self::TooLong => (
                "token-too-long",
                "La durée du jeton n’est pas comprise entre 1 seconde et 10 minutes.",
                "Émettez des jetons de 10 minutes au plus.",
            ),
            Self::NotYet => ("token-not-yet", "Le jeton n’est pas encore valable.", CLOCK),
            Self::Expired => ("token-expired", "Le jeton a expiré.", AGAIN),
            Self::AnotherCertificate => (
                "token-another-certificate",
                "Le jeton est lié à un autre certificat que celui de cette connexion.",
                "Demandez un jeton lié au certificat que vous présentez.",
            ),
        }
    }
}
