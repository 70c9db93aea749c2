#!/usr/bin/env python3
"""Checks a log folder with other people's code: tlog-scales (C2SP tiles, checkpoints, RFC 9162 proofs) and pymerkle (RFC 6962).

    c2sp_verify.py --folder FOLDER --vkey log.vkey [--witness witness.vkey] [--proof FILE.tlog-proof --leaf leaf.json]

FOLDER is laid out as C2SP tlog-tiles serves it: `checkpoint`, `tile/...`, `tile/entries/...`. Older checkpoints in
`checkpoints/`, if any, are checked for consistency. Shares no code with the gateway. Exit: 0 holds, 1 does not, 2 unusable.
"""

import argparse
import base64
import sys
from pathlib import Path

from pymerkle import InmemoryTree
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import Checkpoint, InclusionProof


class Broken(Exception):
    """Something that does not hold."""


def hold(condition: bool, what: str) -> None:
    if not condition:
        raise Broken(what)


def verify_folder(folder: Path, log: Vkey, witness: Vkey | None) -> None:
    reader = TilesReader(LocalBackend(folder))
    latest = reader.get_checkpoint()
    latest.verify(log)
    hold(latest.origin == log.name, "the checkpoint's origin is not the key's name")
    hold((folder / "checkpoint").read_text("utf-8") == latest.serialize(), "the checkpoint is not in its one form")
    if witness is not None:
        latest.verify(witness)
    hold(reader.calculate_root_hash() == latest.root_hash, "the root from tiles is not the signed one")

    # The root from the entries, by an implementation that knows nothing of tiles.
    tree = InmemoryTree(algorithm="sha256")
    for index in range(latest.size):
        entry = reader.get_entry(index)
        hold(leaf_hash(entry) == reader.mth(index, index + 1), f"entry {index} does not match its tile")
        tree.append_entry(entry)
    hold(tree.get_root() == latest.root_hash, "the root from entries is not the signed one")

    older = sorted((folder / "checkpoints").glob("*"))
    for path in older:
        earlier = Checkpoint.from_text(path.read_text("utf-8"))
        earlier.verify(log)
        reader.get_consistency_proof(earlier.size, latest.size).check(earlier.root_hash, latest.root_hash)
    print(f"{latest.origin}: {latest.size} entries, {len(older)} older checkpoints: all holds")


def verify_proof(text: str, leaf: bytes, log: Vkey, witness: Vkey | None) -> None:
    """C2SP tlog-proof, read here: no maintained Python package reads it yet."""
    head, checkpoint = text.split("\n\n", 1)
    header, *lines = head.split("\n")
    hold(header == "c2sp.org/tlog-proof@v1", "not a tlog-proof")
    if lines[0].startswith("extra "):
        lines.pop(0)
    word, index = lines.pop(0).split(" ")
    hold(word == "index" and str(int(index)) == index, "malformed index")
    hashes = [base64.b64decode(line, validate=True) for line in lines]
    signed = Checkpoint.from_text(checkpoint)
    signed.verify(log)
    hold(signed.origin == log.name, "the checkpoint's origin is not the key's name")
    if witness is not None:
        signed.verify(witness)
    InclusionProof(int(index), signed.size, hashes).check(leaf_hash(leaf), signed.root_hash)
    print(f"entry {index} is in the tree of {signed.size}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--vkey", type=Path, required=True, help="file with the log's verifier key")
    parser.add_argument("--witness", type=Path, help="file with a witness's verifier key, which must have cosigned")
    parser.add_argument("--proof", type=Path)
    parser.add_argument("--leaf", type=Path, help="the entry that the proof is about, to the byte")
    given = parser.parse_args()
    if not (given.folder or given.proof) or bool(given.proof) != bool(given.leaf):
        parser.error("give --folder, or --proof and --leaf, or all three")
    try:
        log = Vkey.from_string(given.vkey.read_text("utf-8").strip())
        witness = Vkey.from_string(given.witness.read_text("utf-8").strip()) if given.witness else None
    except (OSError, ValueError) as error:
        print(f"unusable key: {error}", file=sys.stderr)
        return 2
    try:
        if given.folder:
            verify_folder(given.folder, log, witness)
        if given.proof:
            verify_proof(given.proof.read_text("utf-8"), given.leaf.read_bytes(), log, witness)
    except Exception as error:  # whatever a library raises, the log does not hold
        print(f"does not hold: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
