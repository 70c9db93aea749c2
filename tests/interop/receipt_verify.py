#!/usr/bin/env python3
"""Verifies a receipt with PyJWT and a JWKS file that the reader got from elsewhere.

    receipt_verify.py --jwks jwks.json RECEIPT.jws...

Exit: 0 every receipt holds, 1 one does not, 2 unusable keys.
"""

import argparse
import json
import sys
from pathlib import Path

import jwt


def verify(jws: str, keys: jwt.PyJWKSet) -> dict:
    header = jwt.get_unverified_header(jws)
    if header.get("typ") != "passerelle-receipt+jwt":
        raise jwt.InvalidTokenError("not a receipt")
    # A receipt is for ever: it has no expiry, and its audience is whoever sent the exchange.
    options = {"verify_aud": False, "verify_iat": False, "require": ["iss", "sub", "iat", "log", "leaf", "merge_delay"]}
    return jwt.decode(jws, keys[header["kid"]], algorithms=["EdDSA"], options=options)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jwks", type=Path, required=True)
    parser.add_argument("receipts", type=Path, nargs="+")
    given = parser.parse_args()
    try:
        keys = jwt.PyJWKSet.from_dict(json.loads(given.jwks.read_text("utf-8")))
    except (OSError, ValueError, jwt.PyJWTError) as error:
        print(f"unusable keys: {error}", file=sys.stderr)
        return 2
    failed = False
    for path in given.receipts:
        try:
            claims = verify(path.read_text("ascii").strip(), keys)
            print(f"{path.name}: exchange {claims['sub']}, leaf {claims['leaf']} within {claims['merge_delay']} s: holds")
        except (OSError, ValueError, KeyError, jwt.PyJWTError) as error:
            print(f"{path.name}: does not hold: {type(error).__name__}: {error}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
