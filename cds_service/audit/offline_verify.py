"""Check a proof or an export of the decision log without the log, its software or a network.

    python offline_verify.py FILE [--key KEY-OR-FILE]... [--anchor FILE]...

Needs Python 3.9 or newer and the package `cryptography`; can be copied anywhere. FILE is what
`refractory-cds audit prove` wrote, or `audit export --format ndjson` of the whole log. `--key` is a
key of the log (`audit keys`) and `--anchor` a checkpoint, each as you got it at an earlier time and
from elsewhere than the proof.

Exit codes: 0 proved, by a key or an anchor that you gave; 3 proved, if the keys in the proof itself
are those of the log; 1 not proved; 2 unreadable.
Sources: RFC 6962 §2.1, RFC 9162 §2.1.3.2 and §2.1.4.2, C2SP signed-note and tlog-checkpoint.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Say = Callable[[str], None]


class NotProved(Exception):
    """The proof does not hold."""


def demand(holds: object, otherwise: str) -> None:
    if not holds:
        raise NotProved(otherwise)


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(place: int, last: int, path: list[bytes], start: bytes) -> tuple[bytes, bytes]:
    """Go up the tree from a place on its lowest level: the hash of all on the way, and of what
    stands to the left of it."""
    everything = left_part = start
    for sibling in path:
        demand(last > 0, "the path is too long")
        if place & 1 or place == last:
            everything, left_part = node(sibling, everything), node(sibling, left_part)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            everything = node(everything, sibling)
        place, last = place >> 1, last >> 1
    demand(last == 0, "the path is too short")
    return everything, left_part


def read_key(line: str) -> tuple[str, bytes, bytes]:
    """Name, id and value of a key; its id is worked out again."""
    name, key_id, written = line.strip().split("+", 2)
    value = base64.b64decode(written, validate=True)
    made_id = hashlib.sha256(name.encode() + b"\n" + value).digest()[:4]
    demand(made_id.hex() == key_id and value[:1] == b"\x01", "a key is not what its id says")
    return name, made_id, value[1:]


def is_signed_by(note: str, key: str) -> bool:
    """Whether a note bears a signature of this key that holds."""
    name, key_id, value = read_key(key)
    text, _, below = note.rpartition("\n\n")
    for line in below.splitlines():
        found = re.fullmatch("\u2014 ([^ ]+) ([^ ]+)", line)
        signature = base64.b64decode(found[2], validate=True) if found else b""
        if found and (found[1], signature[:4]) == (name, key_id):
            try:
                Ed25519PublicKey.from_public_bytes(value).verify(
                    signature[4:], (text + "\n").encode()
                )
            except InvalidSignature:
                return False
            return True
    return False


def read_checkpoint(note: str) -> tuple[str, int, bytes]:
    origin, size, root = note.split("\n")[:3]
    return origin, int(size), base64.b64decode(root, validate=True)


def keys_of(statements: list[str], origin: str) -> list[tuple[str, bool]]:
    """The keys of a log in their order, each with whether the one before has signed for it."""
    found: list[tuple[str, bool]] = []
    for note in statements:
        heading, log, action, key, *rest = note.partition("\n\n")[0].split("\n")
        key = key[len("key ") :]
        demand(
            heading == "refractory-cds/key-event"
            and origin == "refractory-cds/" + log[len("log ") :] == read_key(key)[0]
            and is_signed_by(note, key),
            "a statement about a key does not hold",
        )
        before = found[-1][0] if found else ""
        demand(rest == (["instead of " + before] if before else []), "a key is out of turn")
        found.append((key, action == "rotated" and bool(before) and is_signed_by(note, before)))
    return found


def check_signature(note: str, statements: list[str], given: list[str]) -> bool:
    """Whether a key that was given answers for the checkpoint; NotProved where none signed it."""
    trusted = False
    signed: bool | None = None
    for key, is_followed in keys_of(statements, read_checkpoint(note)[0]):
        trusted = key in given or (trusted and is_followed)
        if is_signed_by(note, key):
            signed = trusted
    demand(signed is not None, "the checkpoint is not signed by a key of the log")
    demand(signed or not given, "the checkpoint's key does not follow from a key that you gave")
    return bool(signed)


def check_inclusion(proof: dict[str, Any], say: Say) -> None:
    envelope = base64.b64decode(proof["entry"]["envelope"], validate=True)
    seq = proof["entry"]["seq"]
    _, size, root = read_checkpoint(proof["checkpoint"])
    demand(0 < seq <= size, "the entry is not under this checkpoint")
    leaf = hashlib.sha256(b"\x00" + envelope).digest()
    path = [bytes.fromhex(one) for one in proof["path"]]
    demand(fold(seq - 1, size - 1, path, leaf)[0] == root, "the entry is not in the signed tree")
    members = json.loads(envelope)
    demand(members["seq"] == seq, "the entry names another place")
    say(
        "entry {seq} of {log}: {eventType} {eventId}, recorded {recordedAt}".format(
            log=read_checkpoint(proof["checkpoint"])[0], **members
        )
    )
    say(f"is in the log as signed with {size} entries")


def check_consistency(proof: dict[str, Any], say: Say) -> None:
    old_origin, old, old_root = read_checkpoint(proof["from"])
    origin, new, root = read_checkpoint(proof["checkpoint"])
    demand(old_origin == origin and 0 < old <= new, "the checkpoints do not follow each other")
    path = [bytes.fromhex(one) for one in proof["path"]]
    if old == new:
        demand(old_root == root and not path, "the two checkpoints differ")
    else:
        hashes = path if old & (old - 1) else [old_root, *path]
        demand(hashes, "the path is too short")
        place, last = old - 1, new - 1
        while place & 1:
            place, last = place >> 1, last >> 1
        everything, left_part = fold(place, last, hashes[1:], hashes[0])
        demand((left_part, everything) == (old_root, root), "the history was changed")
    say(f"{origin}: the log of {new} entries begins with the one of {old}")


def root_of(leaves: list[bytes]) -> bytes:
    """The head of the tree over these leaves; a lone node is carried up as it is."""
    level = leaves or [hashlib.sha256().digest()]
    while len(level) > 1:
        pairs = [node(*level[at : at + 2]) for at in range(0, len(level) - 1, 2)]
        level = pairs + (level[-1:] if len(level) & 1 else [])
    return level[0]


def check_export(proof: dict[str, Any], say: Say) -> None:
    """Every entry in its place, unchanged; those under the checkpoint, as they were signed."""
    demand(not proof["filter"], "only a part of the log was exported: see `audit prove`")
    leaves: list[bytes] = proof["leaves"]
    demand(not proof["faults"], f"entries do not follow each other from {proof['faults'][:1]} on")
    demand(proof["digest"] == proof["lines"], "the entries are not those that were exported")
    demand(len(leaves) == proof["count"], "entries are missing, or were added")
    demand("checkpoint" in proof, "no checkpoint is in the export: nobody has signed for it")
    origin, size, root = read_checkpoint(proof["checkpoint"])
    demand(size <= len(leaves), "entries that were signed for are missing")
    demand(root_of(leaves[:size]) == root, "the entries are not those that were signed for")
    say(f"all {size} entries of {origin} as signed")
    if len(leaves) > size:
        say(f"and {len(leaves) - size} later ones, which follow on, and nobody has signed for")


def read_file(name: str) -> dict[str, Any]:
    """A proof; or the last line of an export, with what its other lines come to."""
    leaves: list[bytes] = []
    state, faults = hashlib.sha256(), []
    with open(name, "rb") as file:
        line = file.readline()
        try:
            json.loads(line)
        except ValueError:  # a proof stands on several lines
            return dict(json.loads(line + file.read()))
        for following in file:
            members = json.loads(line)
            before = leaves[-1].hex() if leaves else members["prevHash"]
            if (members["seq"], members["prevHash"]) != (len(leaves) + 1, before):
                faults.append(len(leaves) + 1)
            leaves.append(hashlib.sha256(b"\x00" + line.rstrip(b"\n")).digest())
            state.update(line)
            line = following
    digest = "sha256:" + state.hexdigest()
    return {**json.loads(line), "leaves": leaves, "digest": digest, "faults": faults}


def anchored_by(note: str, files: list[str]) -> bool:
    """Whether one of these files holds a checkpoint of this size; NotProved where it differs."""
    origin, size, _ = read_checkpoint(note)
    for name in files:
        with open(name, encoding="utf-8") as file:
            for piece in re.findall(re.escape(origin) + r"\n[^\n]+\n[^\n]+\n", file.read()):
                if read_checkpoint(piece)[1] == size:
                    same = read_checkpoint(piece) == read_checkpoint(note)
                    demand(same, "an anchor knows another history")
                    return True
    return False


def keys_given(values: list[str]) -> list[str]:
    """The keys in these lines or files: the first word of each line that is not a remark."""
    keys: list[str] = []
    for value in values:
        if value.startswith("refractory-cds/") and "+" in value:
            lines = [value]
        else:
            with open(value, encoding="utf-8") as file:
                lines = file.read().splitlines()
        keys += [line.split()[0] for line in lines if line.strip() and line[0] != "#"]
    return keys


def main(arguments: list[str], say: Say) -> int:
    files: list[str] = []
    given: dict[str, list[str]] = {"--key": [], "--anchor": []}
    rest = iter(arguments)
    for argument in rest:
        if argument in given:
            given[argument].append(next(rest, ""))
        else:
            files.append(argument)
    if len(files) != 1 or files[0].startswith("-"):
        say(str(__doc__))
        return 2
    try:
        proof = read_file(files[0])
        keys = keys_given(given["--key"])
        checks = {
            "refractory-cds/inclusion-proof-1": check_inclusion,
            "refractory-cds/consistency-proof-1": check_consistency,
            "refractory-cds/export-1": check_export,
        }
        checks[proof["format"]](proof, say)
        is_known = check_signature(proof["checkpoint"], proof["keyStatements"], keys)
        is_anchored = anchored_by(proof["checkpoint"], given["--anchor"])
    except NotProved as fault:
        say(f"NOT PROVED: {fault}")
        return 1
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        say(f"UNREADABLE: {type(fault).__name__}: {fault}")
        return 2
    if is_known or is_anchored:
        say("PROVED, by " + ("a key" if is_known else "an anchor") + " that you gave")
        return 0
    say("PROVED, IF these are the keys of the log (compare them, or give one with --key):")
    for key, _ in keys_of(proof["keyStatements"], read_checkpoint(proof["checkpoint"])[0]):
        say(key)
    return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], print))
