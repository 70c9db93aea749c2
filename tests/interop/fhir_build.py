#!/usr/bin/env python3
"""Builds a hospital's FHIR message with the models of `fhir.resources`, and validates what others write with them.

    fhir_build.py build > adapters/vectors/fhir/message-ip.json
    fhir_build.py validate < bundle.json

The models are those of R4B (4.3.0): since release 7 the package has no R4 (4.0.1) any more, and R4B differs from it only in
resources that this project does not use (medication definition, evidence, subscriptions). All persons are invented.

Exit: 0 valid, 1 not valid, 2 not JSON.
"""

import argparse
import base64
import json
import sys

from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

FR_CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition/"
TYPE = "urn:passerelle:fhir:type"
SECTION = "urn:passerelle:fhir:section"
ROLE_CODE = "https://mos.esante.gouv.fr/NOS/TRE_R216-HL7RoleCode/FHIR/TRE-R216-HL7RoleCode"
VISIBILITY = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
INSEE = "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM"
CERTIFICATE = b"%PDF-1.7\n% certificat medical initial, invente\n%%EOF\n"


def insee(code: str) -> dict:
    return {"url": FR_CORE + "fr-core-address-insee-code", "valueCoding": {"system": INSEE, "code": code}}


def narrative(text: str) -> dict:
    return {"status": "additional", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{text}</p></div>'}


def section(code: str, title: str, text: str) -> dict:
    return {"title": title, "code": {"coding": [{"system": SECTION, "code": code}]}, "text": narrative(text)}


def patient() -> dict:
    reliability = {"url": "identityStatus", "valueCoding": {"system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0445", "code": "VALI"}}
    return {
        "resourceType": "Patient",
        "id": "capucine",
        "meta": {"profile": [FR_CORE + "fr-core-patient-ins"]},
        "extension": [
            {"url": FR_CORE + "fr-core-identity-reliability", "extension": [reliability]},
            {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace", "valueAddress": {"extension": [insee("31555")], "city": "Toulouse"}},
        ],
        "identifier": [
            {
                "use": "official",
                "type": {"coding": [{"system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203", "code": "INS-NIR"}]},
                "system": "urn:oid:1.2.250.1.213.1.4.8",
                "value": "214209999999936",
            },
            {"use": "usual", "system": "https://chu.example/ipp", "value": "IPP-000417"},
        ],
        "active": True,
        "name": [
            {
                "extension": [{"url": FR_CORE + "fr-core-patient-birth-list-given-name", "valueString": "Capucine Lise"}],
                "use": "official",
                "family": "FICTIVE",
                "given": ["Capucine"],
            }
        ],
        "telecom": [{"system": "phone", "value": "+33536491097", "use": "home"}],
        "gender": "female",
        "birthDate": "2014-02-27",
        "address": [{"use": "home", "line": ["12 impasse des Nuages"], "city": "Blagnac", "postalCode": "31700", "extension": [insee("31069")]}],
        "multipleBirthBoolean": False,
    }


def relative(name: str, family: str, given: str, code: str, display: str) -> dict:
    return {
        "resourceType": "RelatedPerson",
        "id": name,
        "identifier": [{"system": "https://chu.example/proches", "value": f"P-{name}"}],
        "patient": {"reference": "urn:uuid:0190b8c5-0000-4000-8000-000000000001"},
        "relationship": [{"coding": [{"system": ROLE_CODE, "code": code, "display": display}]}],
        "name": [{"use": "official", "family": family, "given": [given]}],
    }


def build() -> dict:
    url = "urn:uuid:0190b8c5-0000-4000-8000-00000000000"
    header = {
        "resourceType": "MessageHeader",
        "eventCoding": {"system": TYPE, "code": "information-preoccupante"},
        "source": {"name": "DPI", "endpoint": "https://dpi.chu.example/fhir"},
        "destination": [{"endpoint": "https://passerelle.example/fhir"}],
        "author": {"reference": url + "5"},
        "focus": [{"reference": url + "7"}],
    }
    practitioner = {
        "resourceType": "Practitioner",
        "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "879927398713"}],
        "name": [{"family": "INVENTEE", "given": ["Odile"], "prefix": ["DR"]}],
        "telecom": [{"system": "phone", "value": "+33536491098", "use": "work"}],
    }
    role = {
        "resourceType": "PractitionerRole",
        "practitioner": {"reference": url + "4"},
        "organization": {"reference": url + "6"},
        "code": [{"text": "pédiatre"}],
    }
    organization = {
        "resourceType": "Organization",
        "identifier": [{"system": "https://finess.esante.gouv.fr", "value": "310781406"}],
        "active": True,
        "name": "CHU inventé",
    }
    communication = {
        "resourceType": "Communication",
        "meta": {"security": [{"system": VISIBILITY, "code": "INVISIBLE_REPRESENTANTS_LEGAUX"}]},
        "status": "completed",
        "category": [{"coding": [{"system": TYPE, "code": "information-preoccupante"}]}],
        "priority": "urgent",
        "subject": {"reference": url + "1"},
        "sent": "2026-11-21T18:40:00+01:00",
        "sender": {"reference": url + "5"},
        "reasonCode": [{"coding": [{"system": "urn:passerelle:fhir:danger", "code": "violences-physiques"}]}],
        "payload": [{"contentString": "Amenée aux urgences par une voisine."}, {"contentReference": {"reference": url + "9"}}],
        "note": [{"text": "Rappeler le service avant 20 h."}],
    }
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"coding": [{"system": TYPE, "code": "information-preoccupante"}]},
        "subject": {"reference": url + "1"},
        "date": "2026-11-21T18:30:00+01:00",
        "author": [{"reference": url + "5"}],
        "title": "Information préoccupante",
        "section": [
            section("faits", "Faits", "Chute d’escalier d’après la mère."),
            section("propos-enfant", "Propos de l’enfant", "« C’est pas l’escalier. »"),
            section("constats-sante", "Constats", "Ecchymoses d’âges différents aux deux bras."),
            {"title": "Radiographies", "text": narrative("Sans fracture.")},
        ],
    }
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "51851-4", "display": "Administrative note"}]},
        "subject": {"reference": url + "1"},
        "content": [{"attachment": {"contentType": "application/pdf", "title": "Certificat médical initial", "url": url + "a", "size": len(CERTIFICATE)}}],
    }
    resources = [
        header,
        patient(),
        relative("mere", "EXEMPLE", "Zélie", "MTH", "Mère"),
        relative("frere", "FICTIVE", "Barnabé", "NBRO", "Frère"),
        practitioner,
        role,
        organization,
        communication,
        composition,
        document,
        {"resourceType": "Binary", "contentType": "application/pdf", "data": base64.b64encode(CERTIFICATE).decode()},
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]},
            "subject": {"reference": url + "1"},
            "valueQuantity": {"value": 38, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        },
    ]
    entry = [{"fullUrl": url + format(n, "x"), "resource": resource} for n, resource in enumerate(resources)]
    return {"resourceType": "Bundle", "type": "message", "timestamp": "2026-11-21T18:40:00+01:00", "entry": entry}


def validate(resource: dict) -> None:
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["build", "validate"])
    if parser.parse_args().command == "build":
        print(Bundle.model_validate(build()).model_dump_json(indent=2))
        return 0
    try:
        resource = json.load(sys.stdin)
    except ValueError:
        print("not JSON", file=sys.stderr)
        return 2
    try:
        validate(resource)
    except ValidationError as error:
        # Places and kinds of errors only: what is validated may name somebody.
        places = error.errors(include_url=False, include_input=False)
        print(f"not valid: {[(place['loc'], place['type']) for place in places]}", file=sys.stderr)
        return 1
    except (LookupError, TypeError, ValueError):
        print("not valid: no resource of FHIR", file=sys.stderr)
        return 1
    print(f"{resource['resourceType']}: holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
