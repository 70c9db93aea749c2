#!/usr/bin/env python3
"""A hospital's software at the gateway's FHIR face: `fhirclient` asks, `fhir.resources` judges what comes back.

    fhir_hospital.py CONNECTION metadata
    fhir_hospital.py CONNECTION send < bundle.json
    fhir_hospital.py CONNECTION tasks --owner UNIT [--count N]
    fhir_hospital.py CONNECTION read Bundle/ID
    fhir_hospital.py CONNECTION answer ID STATUS [REASON]

    CONNECTION: --base https://localhost:8443/fhir --certificate PEM --key PEM --authorities PEM [--token JWT]

Prints JSON: what came, or the status and the OperationOutcome of a refusal. Exit: 0 done, 1 refused, 3 what came is not valid FHIR.
"""

import argparse
import json
import ssl
import sys

import requests
from fhir.resources.R4B import get_fhir_model_class
from fhirclient import client, server
from fhirclient.models.bundle import Bundle
from fhirclient.models.capabilitystatement import CapabilityStatement
from fhirclient.models.task import Task
from pydantic import ValidationError
from requests.adapters import HTTPAdapter

REFUSED = (
    requests.HTTPError,
    server.FHIRUnauthorizedException,
    server.FHIRPermissionDeniedException,
    server.FHIRNotFoundException,
)


def valid(resource: dict) -> dict:
    """The models of fhir.resources have to take it, too."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return resource


class Trust(HTTPAdapter):
    """Trusts what the file of authorities holds, which need not be a root: as curl does, and requests does not."""

    def __init__(self, authorities: str):
        self.context = ssl.create_default_context(cafile=authorities)
        self.context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        super().__init__()

    def init_poolmanager(self, *arguments, **named):
        super().init_poolmanager(*arguments, ssl_context=self.context, **named)


def connect(given: argparse.Namespace) -> server.FHIRServer:
    smart = client.FHIRClient(settings={"app_id": "chu", "api_base": given.base})
    session = smart.server.session
    session.cert = (given.certificate, given.key)
    session.verify = given.authorities
    session.mount("https://", Trust(given.authorities))
    if given.token:
        session.headers["Authorization"] = f"Bearer {given.token}"
    # Reads the CapabilityStatement, as this client does before anything else.
    smart.prepare()
    return smart.server


def tasks(gateway: server.FHIRServer, owner: str, count: int) -> list:
    found = []
    # Follows the links `next` until there is none.
    for page in Task.where({"owner": owner, "_count": str(count)}).perform_iter(gateway):
        valid(page.as_json())
        found.extend(entry.resource.as_json() for entry in page.entry or [] if entry.resource.resource_type == "Task")
    return found


def run(given: argparse.Namespace) -> object:
    gateway = connect(given)
    match given.command:
        case "metadata":
            return valid(CapabilityStatement.read_from("metadata", gateway).as_json())
        case "send":
            answer = gateway.post_json("", json.load(sys.stdin))
            return {"status": answer.status_code, "location": answer.headers["location"], "answer": valid(Bundle(answer.json()).as_json())}
        case "tasks":
            return tasks(gateway, given.owner, given.count)
        case "read":
            return valid(Bundle.read_from(given.address, gateway).as_json())
        case "answer":
            task = Task.read(given.id, gateway)
            body = {**task.as_json(), "status": given.status}
            if given.reason:
                body["statusReason"] = {"text": given.reason}
            return valid(gateway.put_json(f"Task/{given.id}", body).json())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["--base", "--certificate", "--key", "--authorities"]:
        parser.add_argument(name, required=True)
    parser.add_argument("--token")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("metadata")
    commands.add_parser("send")
    listing = commands.add_parser("tasks")
    listing.add_argument("--owner", required=True)
    listing.add_argument("--count", type=int, default=50)
    commands.add_parser("read").add_argument("address")
    answer = commands.add_parser("answer")
    answer.add_argument("id")
    answer.add_argument("status")
    answer.add_argument("reason", nargs="?")
    try:
        print(json.dumps(run(parser.parse_args())))
        return 0
    except REFUSED as refused:
        response = refused.response
        print(json.dumps({"status": response.status_code, "outcome": valid(response.json())}))
        return 1
    except ValidationError as error:
        # Places and kinds only: what came may name somebody.
        print([(place["loc"], place["type"]) for place in error.errors(include_url=False, include_input=False)], file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
