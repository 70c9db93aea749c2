//! Turns: of several replicas one at a time works at what must not be done by two at once, a partner's folder or a mailbox.

use std::time::Duration;

use exchange::InstitutionId;
use ring::rand::SecureRandom;

use super::Rooms;
use crate::{
    refusal::Refusal,
    store::drops::{LeaveTurn, TakeTurn},
};

/// Does `work` while this replica has the turn of an institution; does nothing when another one has it.
///
/// # Errors
/// What `work` says; [`Refusal`] when the turn could not be taken, or was lost before the end.
pub async fn in_turn<E: From<Refusal>>(rooms: &Rooms, of: &InstitutionId, work: impl Future<Output = Result<(), E>>) -> Result<(), E> {
    // A SQLite file has one gateway, whose turn it always is.
    if !rooms.store.has_replicas() {
        return work.await;
    }
    let mut token = [0; 16];
    rooms.random.fill(&mut token).map_err(|_| Refusal::Internal("random"))?;
    if !hold(rooms, of, token).await? {
        return Ok(());
    }
    let worked = tokio::select! {
        worked = work => worked,
        lost = keep(rooms, of, token) => Err(lost.into()),
    };
    let left = rooms.store.write(LeaveTurn { partner: of.clone(), token }).await;
    worked.and(left.map_err(|error| Refusal::from(error).into()))
}

async fn hold(rooms: &Rooms, of: &InstitutionId, token: [u8; 16]) -> Result<bool, Refusal> {
    Ok(rooms.store.write(TakeTurn { partner: of.clone(), now: rooms.clock.now(), hold: TURN, token }).await?)
}

/// Ends only when the turn is lost.
async fn keep(rooms: &Rooms, of: &InstitutionId, token: [u8; 16]) -> Refusal {
    loop {
        tokio::time::sleep(TURN / 3).await;
        match hold(rooms, of, token).await {
            Ok(true) => {}
            Ok(false) => return Refusal::Internal("turn"),
            Err(refusal) => return refusal,
        }
    }
}

/// How long a turn is held without a sign.
const TURN: Duration = Duration::from_secs(60);
