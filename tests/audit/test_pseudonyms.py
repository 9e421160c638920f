"""Pseudonyms: the same patient is the same name, and nobody without the key can tell which."""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from audit.samples import KEY, a_recorder, a_store, an_event, envelopes, record
from cds_service.audit import Client
from cds_service.audit.listing import Wanted
from cds_service.audit.pseudonyms import (
    PatientIdentity,
    PseudonymKey,
    load_keys,
    load_or_create_keys,
)
from cds_service.audit.reading import open_reader
from cds_service.errors import AuditError

PATIENT = PatientIdentity("tenant", "https://ehr.example/fhir", "p1")
OTHER_KEY = PseudonymKey(b"another generation of the secret")


def test_a_pseudonym_is_the_keyed_hash_of_tenant_server_id_and_salt() -> None:
    message = b"tenant\x1fhttps://ehr.example/fhir\x1fp1\x1fSALT"
    expected = hmac.new(KEY.secret, message, hashlib.sha256).hexdigest()
    assert KEY.pseudonym(PATIENT, b"SALT") == expected


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(PatientIdentity("tenant", "https://ehr.example/fhir", "p2"), id="id"),
        pytest.param(PatientIdentity("tenant", "https://other.example/fhir", "p1"), id="server"),
        pytest.param(PatientIdentity("", "https://ehr.example/fhir", "p1"), id="tenant"),
    ],
)
def test_another_patient_has_another_pseudonym_and_row(other: PatientIdentity) -> None:
    assert KEY.pseudonym(other, b"SALT") != KEY.pseudonym(PATIENT, b"SALT")
    assert KEY.lookup_id(other) != KEY.lookup_id(PATIENT)


def test_a_final_slash_of_the_server_makes_no_other_patient() -> None:
    with_slash = PatientIdentity("tenant", "https://ehr.example/fhir/", "p1")
    assert KEY.lookup_id(with_slash) == KEY.lookup_id(PATIENT)


def test_an_id_that_holds_the_separator_is_refused() -> None:
    with pytest.raises(ValueError, match="control character"):
        PatientIdentity("tenant", "server", "p1\x1fx")


def test_the_same_patient_keeps_a_pseudonym_and_others_have_their_own(tmp_path: Path) -> None:
    store = a_store(tmp_path / "log.db")
    same = {"patient_id": "p1"}
    record(store, an_event(1, **same), an_event(2, **same), an_event(3, patient_id="p2"))
    store.close()
    first, second, third = (one["patientPseudonym"] for one in envelopes(tmp_path / "log.db"))
    assert first == second != third


def test_the_same_id_of_another_client_is_another_patient(tmp_path: Path) -> None:
    store = a_store(tmp_path / "log.db")
    other = Client(iss="https://other.example")
    record(store, an_event(1, patient_id="p1"), an_event(2, patient_id="p1", client=other))
    store.close()
    first, second = (one["patientPseudonym"] for one in envelopes(tmp_path / "log.db"))
    assert first != second


def test_after_the_salt_is_deleted_the_patient_has_a_new_pseudonym(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    store = a_store(path)
    record(store, an_event(1, patient_id="p1"))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DELETE FROM patients")  # the triggers let it
    record(store, an_event(2, patient_id="p1"))
    store.close()
    first, second = (one["patientPseudonym"] for one in envelopes(path))
    assert first != second


def test_without_the_key_no_digest_of_an_id_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    store = a_store(path)
    record(store, an_event(1, patient_id="p77", request=None, inputs=(), assessment=None))
    store.close()
    with closing(sqlite3.connect(path)) as db:
        (salt,) = db.execute("SELECT salt FROM patients").fetchone()
    content = path.read_bytes()
    for number in range(2_000):
        name = f"p{number}".encode()
        message = PatientIdentity(
            "https://ehr.example", "https://ehr.example/fhir", name.decode()
        ).as_bytes()
        for guess in (
            hashlib.sha256(name).digest(),
            hashlib.sha256(salt + message).digest(),
            hashlib.sha256(message + b"\x1f" + salt).digest(),
            hmac.digest(salt, message, "sha256"),
            hmac.digest(OTHER_KEY.secret, message + b"\x1f" + salt, "sha256"),
        ):
            assert guess not in content
            assert guess.hex().encode() not in content


def test_a_search_under_every_key_finds_what_each_generation_wrote(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    for number, keys in ((1, (KEY,)), (2, (KEY, OTHER_KEY))):
        store = a_store(path, a_recorder(keys=keys))
        record(store, an_event(number, patient_id="p1"))
        store.close()
    first, second = envelopes(path)
    assert first["pseudonymKeyId"] == KEY.key_id != second["pseudonymKeyId"]
    patient = PatientIdentity("https://ehr.example", "https://ehr.example/fhir", "p1")
    with open_reader(path) as reader:
        names = reader.pseudonyms(patient, (KEY, OTHER_KEY))
        found = reader.page(Wanted(having={"patient": names}))
        assert reader.pseudonyms(patient, (PseudonymKey(b"k" * 32),)) == []
    assert [event.seq for event in found] == [2, 1]


def test_a_key_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    first = load_or_create_keys(path)
    assert load_or_create_keys(path) == first
    assert len(first[0].secret) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        pytest.param("ab" * 32, 0o640, "read by others", id="group may read"),
        pytest.param("ab" * 32, 0o604, "read by others", id="others may read"),
        pytest.param("", 0o600, "no key", id="empty"),
        pytest.param("ab" * 16, 0o600, "no key of 256 bits", id="short"),
        pytest.param("ab" * 32 + "\nxyz", 0o600, "hexadecimal", id="not hexadecimal"),
        pytest.param("ä" * 64, 0o600, "hexadecimal", id="not ASCII"),
    ],
)
def test_a_bad_key_file_is_refused(tmp_path: Path, content: str, mode: int, complaint: str) -> None:
    path = tmp_path / "key"
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)
    with pytest.raises(AuditError, match=complaint):
        load_keys(path)


def test_several_keys_are_read_in_order_and_named_without_being_shown(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("ab" * 32 + "\n" + "cd" * 32 + "\n", encoding="ascii")
    path.chmod(0o600)
    old, new = load_keys(path)
    assert (old.secret, new.secret) == (b"\xab" * 32, b"\xcd" * 32)
    assert len({old.key_id, new.key_id}) == 2
    assert old.key_id not in old.secret.hex()
