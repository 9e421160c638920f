"""Signed notes: the published example, a second reading of ours, and what is none."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cds_service.audit.checkpoint import Checkpoint, read_note
from cds_service.audit.notes import Note, PublicKey, SigningKey, sign, signer_of

# The example of golang.org/x/mod/sumdb/note.
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PUBLISHED_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PUBLISHED_NOTE = (
    PUBLISHED_TEXT + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZ"
    "SNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
CHECKPOINT = Checkpoint("log-1", 7, bytes(range(32)))


def test_the_published_note_is_read_checked_and_made_again() -> None:
    key, secret = PublicKey.parse(PUBLISHED_KEY), SigningKey.parse(PUBLISHED_SIGNER)
    note = Note.parse(PUBLISHED_NOTE)
    assert note.text == PUBLISHED_TEXT
    assert key.has_signed(note)
    assert secret.public == key
    assert str(sign(PUBLISHED_TEXT, secret)) == str(note) == PUBLISHED_NOTE
    assert (str(key), secret.secret_line()) == (PUBLISHED_KEY, PUBLISHED_SIGNER)


def test_a_checkpoint_can_be_read_by_anybody_who_knows_the_specification() -> None:
    """A second implementation, from C2SP tlog-checkpoint and signed-note alone."""
    secret = SigningKey.new("refractory-cds/log-1")
    whole = str(CHECKPOINT.signed_by(secret))
    text, signature_line = whole.split("\n\n")
    origin, size, root = text.split("\n")
    assert (origin, size) == ("refractory-cds/log-1", "7")
    assert base64.b64decode(root) == bytes(range(32))
    dash, name, value = signature_line.rstrip("\n").split(" ")
    assert (dash, name) == ("\u2014", origin)
    decoded = base64.b64decode(value)
    public = secret.public.value
    assert decoded[:4] == hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
    Ed25519PublicKey.from_public_bytes(public).verify(decoded[4:], (text + "\n").encode())


def test_a_signature_by_another_key_or_over_other_text_counts_for_nothing() -> None:
    one, other = SigningKey.new("refractory-cds/log-1"), SigningKey.new("refractory-cds/log-1")
    note = CHECKPOINT.signed_by(one)
    assert one.public.has_signed(note)
    assert not other.public.has_signed(note)
    changed = Note(note.text.replace("\n7\n", "\n8\n"), note.signatures)
    assert not one.public.has_signed(changed)
    assert signer_of(sign(note.text, one, other), [other.public]) == other.public
    assert signer_of(note, [other.public]) is None
    assert not one.public.has_signed(Note(note.text))


@pytest.mark.parametrize("extra", ["", "— witness.example/w AAAAAAAAAAAAAAAA\n"])
def test_a_signed_checkpoint_reads_back_with_whatever_else_signed_it(extra: str) -> None:
    secret = SigningKey.new("refractory-cds/log-1")
    checkpoint, note = read_note(str(CHECKPOINT.signed_by(secret)) + extra)
    assert checkpoint == CHECKPOINT
    assert secret.public.has_signed(note)
    assert len(note.signatures) == (2 if extra else 1)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("text", id="no end of line"),
        pytest.param("\n— name AAAAAAAAAAAA\n", id="no text"),
        pytest.param("text\n\n— name\n", id="no signature"),
        pytest.param("text\n\n— name AAAA\n", id="a short signature"),
        pytest.param("text\n\n— name !!!!!!!!\n", id="no base64"),
        pytest.param("text\n\n— name AAAAAAAAAAAA\nmore\n", id="more below"),
        pytest.param("text\n\n— na+me AAAAAAAAAAAA\n", id="a name that cannot be"),
        pytest.param("te\x07xt\n", id="a control character"),
    ],
)
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the reason
        Note.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("refractory-cds/log-1\n07\n{root}\n", id="a leading zero"),
        pytest.param("refractory-cds/log-1\n-7\n{root}\n", id="a sign"),
        pytest.param("refractory-cds/log-1\n٧\n{root}\n", id="another digit"),
        pytest.param("refractory-cds/log-1\n7\n{root}", id="no end of line"),
        pytest.param("refractory-cds/log-1\n9" + 30 * "9" + "\n{root}\n", id="too large"),
        pytest.param("refractory-cds/log-1\n7\nAAAA\n", id="a short root"),
        pytest.param("other/log-1\n7\n{root}\n", id="another origin"),
        pytest.param("refractory-cds/key-event\nlog log-1\ncreated\n", id="about a key"),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    root = base64.b64encode(bytes(32)).decode()
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the reason
        Checkpoint.parse(text.format(root=root))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("", id="nothing"),
        pytest.param("name+00000000+" + PUBLISHED_KEY[-44:], id="another id"),
        pytest.param(PUBLISHED_KEY[:-4], id="a short key"),
        pytest.param("+c74f20a3+" + PUBLISHED_KEY[-44:], id="no name"),
        pytest.param(PUBLISHED_KEY.replace("+AR", "+AB"), id="another key"),
    ],
)
def test_what_is_no_key_is_refused(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the reason
        PublicKey.parse(line)
    with pytest.raises(ValueError, match=r"key|base64"):
        SigningKey.parse("PRIVATE+KEY+" + line)
