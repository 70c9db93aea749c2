//! What the FHIR face of the gateway can do: the answer to `GET /fhir/metadata`.

use serde_json::json;

/// The CapabilityStatement of an instance: `date` is when this version of the software was published (FHIR dateTime), `version`
/// that of the software, `base` the address of the FHIR server without a slash at its end.
///
/// # Errors
/// Never.
pub fn capability_statement(date: &str, version: &str, base: &str) -> Result<Vec<u8>, serde_json::Error> {
    let interaction = |code: &str| json!({"code": code});
    serde_json::to_vec(&json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": {"name": "Passerelle", "version": version},
        "implementation": {"description": "Échanges de la protection de l’enfance", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{
            "mode": "server",
            "security": {
                "cors": false,
                "description": "TLS 1.3 avec certificat de l’établissement, et jeton du professionnel lié à ce certificat (RFC 8705)."
            },
            "resource": [
                {
                    "type": "Task",
                    "documentation": "Ce qui attend dans la boîte du service, sans contenu. Le mettre à jour en « accepted » ou « rejected », avec la \
                                      raison, c’est répondre.",
                    "interaction": [interaction("search-type"), interaction("read"), interaction("update")],
                    "versioning": "no-version",
                    "searchParam": [
                        {"name": "owner", "type": "reference", "documentation": "Le service dont on lit la boîte ; sans lui, celui du professionnel."},
                        {"name": "status", "type": "token", "documentation": "requested, received ou cancelled."}
                    ]
                },
                {
                    "type": "Bundle",
                    "documentation": "Ce qu’un Task a pour « focus » : un Bundle « message », avec ce que ce lecteur peut en voir. Chaque lecture est \
                                      consignée avant de répondre.",
                    "interaction": [interaction("read")],
                    "versioning": "no-version"
                },
                {
                    "type": "Binary",
                    "documentation": "Une pièce, octet pour octet, à l’adresse que donne le Bundle.",
                    "interaction": [interaction("read")],
                    "versioning": "no-version"
                }
            ],
            "interaction": [interaction("transaction")],
            "operation": [{"name": "process-message", "definition": "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message"}]
        }]
    }))
}
