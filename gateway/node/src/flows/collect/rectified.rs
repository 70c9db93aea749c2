//! What came after: whoever reads an exchange is told what corrected it, and that it was withdrawn, with the reason.

use serde_json::{Value, json};

use super::Loaded;
use crate::{directory::Professional, flows::Rooms, refusal::Refusal, seal, store::delivery::DeliveryRow};

/// Adds it to the document of a delivery.
pub(super) async fn tell(
    rooms: &Rooms,
    professional: &Professional,
    delivery: &DeliveryRow,
    loaded: &Loaded,
    document: &mut Value,
) -> Result<(), Refusal> {
    let Value::Object(document) = document else { return Ok(()) };
    let row = &loaded.row;
    document.extend(row.rectifies.map(|id| ("rectifies".to_owned(), json!(id))));
    let mut corrections = Vec::new();
    for correction in rooms.store.corrections_of(row.id).await? {
        // A correction may be sealed from more people than what it corrects.
        if rooms.store.sealed_from(correction.id, &professional.institution, &professional.id).await? {
            continue;
        }
        let deliveries = rooms.store.deliveries_of(correction.id).await?;
        if let Some(here) = deliveries.iter().find(|one| one.recipient == delivery.recipient) {
            corrections.push(json!({"exchange": correction.id, "delivery": here.id, "accepted_at": correction.accepted_at}));
        }
    }
    if !corrections.is_empty() {
        document.insert("rectified_by".into(), json!(corrections));
    }
    if let (Some(at), Some(sealed)) = (row.withdrawn_at, rooms.store.withdrawal_motive(row.id).await?) {
        let plain = seal::open_column(&loaded.key, "withdrawal", row.id, "motive", &sealed).map_err(|_| Refusal::Internal("withdrawal"))?;
        let motive = String::from_utf8(plain).map_err(|_| Refusal::Internal("withdrawal"))?;
        document.insert("withdrawn".into(), json!({"at": at, "motive": motive}));
    }
    Ok(())
}
