//! Reviewing: the register of emergency accesses, for those who answer for them. Who, when, by which rule, reviewed or not;
//! never a reason and never a content.

use serde_json::{Value, json};

use super::{Caller, Rooms};
use crate::{directory::Role, refusal::Refusal};

/// The emergency accesses in the caller's institution, newest first, 200 at most.
///
/// # Errors
/// [`Refusal::RoleMissing`] unless the caller is a data-protection officer, an auditor or the head of the CRIP.
pub async fn register(rooms: &Rooms, caller: &Caller) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    let roles = [Role::Dpo, Role::Auditeur, Role::CadreCrip];
    let professional = caller.with_role(&law, &roles, "délégué à la protection des données, auditeur ou cadre de la CRIP")?;
    let mut shown = Vec::new();
    for grant in rooms.store.grants(&professional.institution, &professional.id).await? {
        let reviews: Vec<Value> = rooms
            .store
            .reviews(grant.id)
            .await?
            .into_iter()
            .map(|review| {
                json!({
                    "follow_up": review.follow_up,
                    "function": review.role,
                    "limit": review.limit,
                    "reviewed_at": review.done_at,
                    "reviewed_by": review.done_by,
                    "finding": review.finding,
                    "overdue": review.done_at.is_none() && review.limit.is_some_and(|limit| limit <= now),
                })
            })
            .collect();
        let reviewed = reviews.iter().all(|review| !review.get("reviewed_at").is_none_or(Value::is_null));
        shown.push(json!({
            "grant": grant.id,
            "exchange": grant.exchange,
            "professional": grant.reader,
            "classes": grant.classes,
            "rules": grant.rules,
            "granted_at": grant.granted_at,
            "until": grant.until,
            "uses": grant.uses,
            "reviewed": reviewed,
            "reviews": reviews,
        }));
    }
    Ok(json!({"urgences": shown}))
}
