//! Columns: how values of ours stand in rows, and how they are read back. What does not have the shape that was written
//! is damage, never a default.

use exchange::{DeliveryId, Instant, Party, ProfessionalId, UnitId, Urgency};
use sqlx::{
    Any, Row,
    any::{AnyArguments, AnyRow},
    query::Query,
};

use super::StoreError;
use crate::directory::Role;

/// The order in which things are taken: 0 first.
pub(crate) fn rank(urgency: Urgency) -> i64 {
    match urgency {
        Urgency::Immediate => 0,
        Urgency::Priority => 1,
        Urgency::Ordinary => 2,
        Urgency::Batch => 3,
    }
}

pub(crate) fn urgency(rank: i64) -> Result<Urgency, StoreError> {
    match rank {
        0 => Ok(Urgency::Immediate),
        1 => Ok(Urgency::Priority),
        2 => Ok(Urgency::Ordinary),
        3 => Ok(Urgency::Batch),
        _ => Err(StoreError::Damaged("urgency")),
    }
}

pub(crate) fn unit_text(party: &Party) -> &str {
    party.unit.as_ref().map_or("", UnitId::as_str)
}

pub(crate) fn party(institution: &str, unit: &str) -> Result<Party, StoreError> {
    let damaged = |_| StoreError::Damaged("party");
    let unit = if unit.is_empty() { None } else { Some(unit.parse().map_err(damaged)?) };
    Ok(Party { institution: institution.parse().map_err(damaged)?, unit })
}

pub(crate) fn role_text(role: Option<Role>) -> &'static str {
    role.map_or("", Role::as_str)
}

pub(crate) fn role(row: &AnyRow, column: &'static str) -> Result<Option<Role>, StoreError> {
    match text(row, column)?.as_str() {
        "" => Ok(None),
        word => Role::of(word).map(Some).ok_or(StoreError::Damaged(column)),
    }
}

/// Binds what belongs to a unit, or to a function of an institution, as far as `reader` may know of it:
/// `$1` institution, `$2` unit, `$3` issuer, `$4` subject, `$5` function.
pub(crate) fn owned<'q>(
    statement: &'static str,
    owner: &'q Party,
    role: Option<Role>,
    reader: &'q ProfessionalId,
) -> Query<'q, Any, AnyArguments> {
    sqlx::query(statement)
        .bind(owner.institution.as_str())
        .bind(unit_text(owner))
        .bind(&reader.issuer)
        .bind(&reader.subject)
        .bind(role_text(role))
}

pub(crate) fn text(row: &AnyRow, column: &'static str) -> Result<String, StoreError> {
    row.try_get(column).map_err(|_| StoreError::Damaged(column))
}

pub(crate) fn bytes(row: &AnyRow, column: &'static str) -> Result<Vec<u8>, StoreError> {
    row.try_get(column).map_err(|_| StoreError::Damaged(column))
}

pub(crate) fn number(row: &AnyRow, column: &'static str) -> Result<i64, StoreError> {
    row.try_get(column).map_err(|_| StoreError::Damaged(column))
}

pub(crate) fn instant(row: &AnyRow, column: &'static str) -> Result<Option<Instant>, StoreError> {
    Ok(row.try_get::<Option<i64>, _>(column).map_err(|_| StoreError::Damaged(column))?.map(Instant::from_unix_ms))
}

pub(crate) fn delivery_id(row: &AnyRow, column: &'static str) -> Result<DeliveryId, StoreError> {
    text(row, column)?.parse().map_err(|_| StoreError::Damaged(column))
}
