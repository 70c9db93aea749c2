//! Two scenes of the story: partners who are asked, and the copy that the gateway makes.

use serde_json::{Value, json};

use super::{
    DemoFault, Partner, SECRETS, Stage, Voice, requests,
    story::{Summary, ensure, text},
};
use crate::client;

/// A school is asked under its agreement and answers; a question outside it, and the caisse, are refused with their article.
pub(super) async fn ask_partners(stage: &Stage, voice: &Voice, summary: &mut Summary) -> Result<(), DemoFault> {
    let evaluator = stage.world.partner("departement-31", "p-7t4wc", &stage.gateway);
    let head = stage.world.partner("college-0319901u", "p-8r2nf", &stage.gateway);
    let asked = submit(&evaluator, &requests::to_the_school(&["scolarite.assiduite", "scolarite.lien-famille-ecole"])).await?;
    let request = text(&asked.done("demande au collège")?, "/id");
    let waiting = head.first_waiting("direction").await?;
    let document = head.run(&["mailbox", "open", &text(&waiting, "/delivery")], None).await?.done("ouverture par le principal")?;
    ensure(document.pointer("/payload/necessite").is_none(), "le collège lit pourquoi on l’interroge")?;
    ensure(text(&document, "/payload/questions/0/code") == "scolarite.assiduite", "le collège ne lit pas la question")?;
    voice.say(&format!(
        "   Le principal lit l’enfant et la question, sur ses absences ; ni le danger, ni pourquoi. Réponse attendue le {}.",
        text(&document, "/payload/echeance")
    ));
    submit(&head, &requests::of_the_school(&request)).await?.done("réponse du collège")?;
    let outside = submit(&evaluator, &requests::to_the_school(&["scolarite.besoins-particuliers"])).await?;
    let outside = outside.refused("question hors protocole")?;
    ensure(text(&outside, "/rule").contains("R18"), "la question hors protocole n’est pas refusée par R18")?;
    voice.say(&format!("   Une question hors protocole : refusée. {}", text(&outside, "/cure")));

    let mut caisse = requests::to_the_school(&["social.ressources-entourage"]);
    if let Some(parts) = caisse.as_object_mut() {
        parts.remove("agreement");
        parts.insert("recipient".into(), json!({"institution": "caf-31", "unit": "prestations"}));
    }
    let refused = submit(&evaluator, &caisse).await?.refused("question à la CAF")?;
    let article = text(&refused, "/article");
    ensure(article.contains("L226-3-2"), &format!("le refus ne nomme pas l’article : {refused}"))?;
    voice.say(&format!("   La composition du foyer demandée à la CAF : refusée ({article}). {}", text(&refused, "/cure")));
    summary.add("question au collège", "répondue sous protocole, hors protocole refusée");
    summary.add("question à la CAF", format!("refusée : {article}"));
    Ok(())
}

/// A direct signalement: the gateway makes the copy that the law wants.
pub(super) async fn copy_to_the_crip(voice: &Voice, hospital: &Partner, crip: &Partner, summary: &mut Summary) -> Result<(), DemoFault> {
    let sent = submit(hospital, &requests::direct_signalement()).await?.done("signalement direct")?;
    let signalement = text(&sent, "/id");
    let waiting = crip.first_waiting("crip").await?;
    ensure(text(&waiting, "/type") == "copie-signalement", "la copie n’attend pas la CRIP")?;
    let copy = crip.run(&["mailbox", "open", &text(&waiting, "/delivery")], None).await?.done("ouverture de la copie")?;
    ensure(text(&copy, "/payload/signalement_ref") == signalement, "la copie ne dit pas de quel signalement elle est")?;
    let own = hospital.run(&["exchange", "show", &signalement], None).await?.done("suivi du signalement")?;
    let done = own.pointer("/follow_ups").and_then(Value::as_array).is_some_and(|tasks| {
        tasks.iter().any(|task| text(task, "/code") == "copy-crip" && task.pointer("/done_at").is_some_and(Value::is_string))
    });
    ensure(done, "l’hôpital ne voit pas que la copie est faite")?;
    ensure(!own.to_string().contains(SECRETS[0]), "le suivi nomme l’enfant")?;
    voice.say("   La copie attend déjà la CRIP ; l’hôpital voit son obligation faite. Le magistrat a demandé de n’avertir personne : la CRIP le lit.");
    summary.add("copie d’un signalement direct", "faite par la passerelle");
    Ok(())
}

async fn submit(who: &Partner, envelope: &Value) -> Result<super::Answer, DemoFault> {
    let key = client::new_key().map_err(|e| DemoFault::Story(e.to_string()))?;
    who.submit(envelope, &key).await
}
