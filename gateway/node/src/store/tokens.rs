//! Tokens that their institution revoked before their end.

use exchange::Instant;
use futures::future::BoxFuture;

use super::{Store, StoreError, Tx, Write, audit::NewEntry, columns::text};

/// An institution ends one of its tokens.
pub struct RevokeToken {
    /// Issuer.
    pub issuer: String,
    /// Id of the token.
    pub jti: String,
    /// After this instant the token has ended anyway.
    pub until: Instant,
    /// What the log states.
    pub entry: NewEntry,
}

impl Write for RevokeToken {
    const NAME: &'static str = "revoke_token";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            sqlx::query(REVOKE_TOKEN)
                .bind(&self.issuer)
                .bind(&self.jti)
                .bind(self.until.unix_ms())
                .bind(Self::NAME)
                .execute(tx.connection())
                .await
                .map_err(StoreError::in_statement("revoke_token"))?;
            self.entry.insert(tx, Self::NAME).await
        })
    }
}

impl Store {
    /// Whether this token was revoked.
    pub async fn token_revoked(&self, issuer: &str, jti: &str) -> Result<bool, StoreError> {
        let query = sqlx::query(TOKEN_REVOKED).bind(issuer).bind(jti);
        let row = self.row("token_revoked", query).await?;
        row.map(|row| text(&row, "jti")).transpose().map(|found| found.is_some())
    }
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[REVOKE_TOKEN, TOKEN_REVOKED];

const REVOKE_TOKEN: &str = "-- revoke_token
INSERT INTO token_revocation (issuer, jti, until, written_by) VALUES ($1, $2, $3, $4) ON CONFLICT (issuer, jti) DO NOTHING";

const TOKEN_REVOKED: &str = "-- token_revoked
SELECT jti FROM token_revocation WHERE issuer = $1 AND jti = $2";
