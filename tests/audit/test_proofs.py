"""Proofs: made by a command, checked by a script that knows nothing of the log."""

from __future__ import annotations

import ast
import base64
import json
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from audit.samples import (
    a_log_of,
    a_signed_log,
    a_signing,
    a_store,
    administrator,
    an_event,
    decision_id,
    envelopes,
    record,
    sign_log,
    verified,
)
from audit.tampering import change_a_byte, cut
from cds_service.audit import offline_verify
from cds_service.audit.anchor import newest_anchor
from cds_service.audit.commands import audit_app
from cds_service.audit.data_keys import default_data_key_file
from cds_service.audit.notes import Note, PublicKey, SigningKey, sign
from cds_service.audit.signing import Signer, ring_in

SCRIPT = Path(offline_verify.__file__)


def run(*arguments: object, **options: Any) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments], **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A signed and anchored log with its keys, printed at the time."""
    a_signed_log(tmp_path / "log.db", anchor_file=tmp_path / "anchor.txt")
    (tmp_path / "keys.txt").write_text(run("keys", "--db", tmp_path / "log.db").stdout)
    return tmp_path


def proof_of(folder: Path, *arguments: object) -> dict[str, Any]:
    result = run("prove", *arguments, "--db", folder / "log.db")
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)
    assert isinstance(made, dict)
    return made


def checked(folder: Path, proof: dict[str, Any], *arguments: object) -> tuple[int, str]:
    """What the script says, on its own: isolated, elsewhere, where our package cannot be had."""
    alone = folder / "elsewhere"
    alone.mkdir(exist_ok=True)
    shutil.copyfile(SCRIPT, alone / "offline_verify.py")
    (alone / "proof.json").write_text(json.dumps(proof))
    start = (
        "import runpy, sys; sys.modules['cds_service'] = None; sys.argv = sys.argv[1:];"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-I", "-c", start, "offline_verify.py", "proof.json"]
    ended = subprocess.run(  # noqa: S603 - our own script
        [*command, *map(str, arguments)], cwd=alone, capture_output=True, text=True, check=False
    )
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def test_the_script_uses_the_standard_library_and_cryptography_only() -> None:
    tree = ast.parse(SCRIPT.read_text("utf-8"))
    names = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) == {
        "cryptography"
    }


@pytest.mark.parametrize("seq", range(1, 9))
def test_every_entry_can_be_proved(folder: Path, seq: int) -> None:
    proof = proof_of(folder, seq)
    code, said = checked(folder, proof, "--key", folder / "keys.txt")
    assert code == 0
    assert f"entry {seq} of refractory-cds/log-1" in said
    assert "PROVED, by a key that you gave" in said
    assert (
        json.loads(base64.b64decode(proof["entry"]["envelope"]))
        == envelopes(folder / "log.db")[seq - 1]
    )


def test_a_decision_is_named_by_its_id(folder: Path) -> None:
    assert proof_of(folder, decision_id(3))["entry"]["eventId"] == decision_id(3)


def test_without_a_key_of_ones_own_it_is_proved_under_a_condition(folder: Path) -> None:
    code, said = checked(folder, proof_of(folder, 4))
    assert code == 3
    assert "PROVED, IF these are the keys of the log" in said
    assert str(ring_in(folder / "log.db")[1].newest) in said


def test_an_anchor_of_ones_own_will_do(folder: Path) -> None:
    code, said = checked(folder, proof_of(folder, 4), "--anchor", folder / "anchor.txt")
    assert (code, "by an anchor that you gave" in said) == (0, True)


@pytest.mark.parametrize("old", [3, 5, 8])
def test_growth_from_each_checkpoint_can_be_proved(folder: Path, old: int) -> None:
    code, said = checked(folder, proof_of(folder, "--from", old), "--key", folder / "keys.txt")
    assert code == 0
    assert f"the log of 8 entries begins with the one of {old}" in said


def test_growth_is_proved_from_a_note_a_file_or_standard_input(folder: Path) -> None:
    note = run("checkpoint", "--db", folder / "log.db").stdout
    (folder / "old.txt").write_text(note)
    with closing(a_store(folder / "log.db")) as store:
        record(store, an_event(20))
    sign_log(folder / "log.db")
    for old, given in ((note, None), (folder / "old.txt", None), ("-", note)):
        result = run("prove", "--from", old, "--db", folder / "log.db", input=given)
        assert result.exit_code == 0, result.output
        code, said = checked(folder, json.loads(result.stdout), "--key", folder / "keys.txt")
        assert (code, "of 9 entries begins with the one of 8" in said) == (0, True)


def test_growth_from_an_unsigned_anchor_can_be_proved(folder: Path) -> None:
    found = newest_anchor(folder / "anchor.txt", "log-1")
    assert found
    (folder / "bare.txt").write_text(found.note.text)
    code, _ = checked(
        folder, proof_of(folder, "--from", folder / "bare.txt"), "--key", folder / "keys.txt"
    )
    assert code == 0


def test_an_entry_that_no_checkpoint_covers_gets_one_first(folder: Path) -> None:
    with closing(a_store(folder / "log.db")) as store:
        record(store, an_event(20))
    proof = proof_of(folder, 9)
    assert proof["checkpoint"].splitlines()[1] == "9"
    assert checked(folder, proof, "--key", folder / "keys.txt")[0] == 0


def test_without_the_key_it_has_to_wait(folder: Path) -> None:
    with closing(a_store(folder / "log.db")) as store:
        record(store, an_event(20))
    a_signing(folder / "log.db").key_file.unlink()
    result = run("prove", 9, "--db", folder / "log.db")
    assert result.exit_code == 2
    assert "no checkpoint covers this entry yet" in result.stderr


def test_a_proof_leaves_an_entry(folder: Path) -> None:
    proof_of(folder, 4)
    last = envelopes(folder / "log.db")[-1]
    assert (last["eventType"], last["command"], last["query"]) == ("access", "prove", {"id": "4"})


# --- what does not hold ---------------------------------------------------------------------


def set_seq(proof: dict[str, Any]) -> None:
    proof["entry"]["seq"] = 5


def set_envelope(proof: dict[str, Any]) -> None:
    text = base64.b64decode(proof["entry"]["envelope"]).replace(b"possible", b"probable")
    proof["entry"]["envelope"] = base64.b64encode(text).decode()


def shorten(proof: dict[str, Any]) -> None:
    proof["path"].pop()


def lengthen(proof: dict[str, Any]) -> None:
    proof["path"].append("00" * 32)


def change_path(proof: dict[str, Any]) -> None:
    proof["path"][0] = "00" * 32


def resign(proof: dict[str, Any]) -> None:
    text = Note.parse(proof["checkpoint"]).text
    proof["checkpoint"] = str(sign(text, SigningKey.new("refractory-cds/log-1")))


def unsign(proof: dict[str, Any]) -> None:
    proof["checkpoint"] = Note.parse(proof["checkpoint"]).text + "\n"


def set_size(proof: dict[str, Any]) -> None:
    proof["checkpoint"] = proof["checkpoint"].replace("\n8\n", "\n9\n")


def forge_key(proof: dict[str, Any]) -> None:
    """A key of the forger's own, that signs for itself and for the checkpoint."""
    key = SigningKey.new("refractory-cds/log-1")
    statement = f"refractory-cds/key-event\nlog log-1\ncreated\nkey {key.public}\n"
    proof["keyStatements"] = [str(sign(statement, key))]
    proof["checkpoint"] = str(sign(Note.parse(proof["checkpoint"]).text, key))


def add_key(proof: dict[str, Any]) -> None:
    """One that claims to follow the log's, which did not sign for it."""
    key = SigningKey.new("refractory-cds/log-1")
    old = PublicKey.parse(proof["keys"][-1])
    statement = (
        f"refractory-cds/key-event\nlog log-1\nrotated\nkey {key.public}\ninstead of {old}\n"
    )
    proof["keyStatements"].append(str(sign(statement, key)))
    proof["checkpoint"] = str(sign(Note.parse(proof["checkpoint"]).text, key))


@pytest.mark.parametrize(
    "change",
    [
        *(set_seq, set_envelope, set_size, shorten, lengthen, change_path),
        *(resign, unsign, forge_key, add_key),
    ],
)
def test_a_proof_that_was_changed_proves_nothing(folder: Path, change: Any) -> None:
    proof = proof_of(folder, 4)
    change(proof)
    code, said = checked(folder, proof, "--key", folder / "keys.txt")
    assert (code, said.splitlines()[-1].startswith("NOT PROVED")) == (1, True), said


@pytest.mark.parametrize("change", [shorten, lengthen, change_path, resign, set_size, forge_key])
def test_a_proof_of_growth_that_was_changed_proves_nothing(folder: Path, change: Any) -> None:
    proof = proof_of(folder, "--from", 3)
    change(proof)
    code, said = checked(folder, proof, "--key", folder / "keys.txt")
    assert (code, said.splitlines()[-1].startswith("NOT PROVED")) == (1, True), said


def test_an_anchor_that_knows_another_history_speaks_against_a_proof(folder: Path) -> None:
    proof = proof_of(folder, 4)
    text = (folder / "anchor.txt").read_text()
    root = proof["checkpoint"].splitlines()[2]
    (folder / "anchor.txt").write_text(text.replace(root, "A" * 43 + "="))
    code, said = checked(folder, proof, "--anchor", folder / "anchor.txt")
    assert (code, "another history" in said) == (1, True)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "x"}'])
def test_what_is_no_proof_is_exit_code_2(folder: Path, content: str) -> None:
    (folder / "proof.json").write_text(content)
    ended = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-I", str(SCRIPT), str(folder / "proof.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout.startswith("UNREADABLE"), ended.stderr) == (2, True, "")


@pytest.mark.parametrize("arguments", [[4], ["--from", 3]], ids=["an entry", "growth"])
def test_a_log_that_was_changed_gives_no_proof(folder: Path, arguments: list[object]) -> None:
    with administrator(folder / "log.db") as db:
        change_a_byte(db, 2)
        db.execute("UPDATE events SET leaf_hash = zeroblob(32) WHERE seq = 2")
    result = run("prove", *arguments, "--db", folder / "log.db")
    assert (result.exit_code, result.stdout) == (1, "")


def test_nor_does_one_that_was_cut_below_the_older_checkpoint(folder: Path) -> None:
    note = run("checkpoint", "--db", folder / "log.db").stdout
    with administrator(folder / "log.db") as db:
        cut(db, keep=5)
        db.execute("DELETE FROM checkpoints WHERE size > 5")
    result = run("prove", "--from", note, "--db", folder / "log.db")
    assert result.exit_code == 1
    assert "3 more entries" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["99"], "no entry with this id", id="no such entry"),
        pytest.param(["--from", "4"], "no checkpoint of this size", id="no such checkpoint"),
        pytest.param(["--from", "/nowhere"], "cannot be read", id="no such file"),
        pytest.param([], "ID", id="nothing to prove"),
    ],
)
def test_what_cannot_be_asked_is_exit_code_2(folder: Path, arguments: list[str], said: str) -> None:
    result = run("prove", *arguments, "--db", folder / "log.db")
    assert result.exit_code == 2
    assert said in result.output


# --- keys and checkpoints by command --------------------------------------------------------


def test_a_proof_after_a_rotation_holds_by_the_first_key(folder: Path) -> None:
    log = folder / "log.db"
    old = a_signing(log).key_file.read_text()
    rotated = run("rotate", "--db", log, "--reason", "as every year")
    assert rotated.exit_code == 0, rotated.output
    entry = envelopes(log)[-1]
    assert (entry["eventType"], entry["action"]) == ("key-event", "rotated")
    assert entry["reader"]["account"]
    assert "every year" not in json.dumps(entry)
    new = a_signing(log).key_file.read_text()
    assert len(new.split()) == 1
    assert new != old
    assert verified(log).exit_code == 3
    keys = run("keys", "--db", log).stdout.splitlines()
    assert len(keys) == 2
    assert checked(folder, proof_of(folder, 4), "--key", folder / "keys.txt")[0] == 0
    assert checked(folder, proof_of(folder, 4), "--key", keys[1].split()[0])[0] == 0
    for given in (keys[:1], [*keys, "# a remark", ""]):
        (folder / "given.txt").write_text("\n".join(given))
        done = run("verify", "--db", log, "--read-only", "--keys", folder / "given.txt")
        assert done.exit_code == 3, done.output


def test_a_lost_key_is_replaced_and_nobody_believes_that_unasked(folder: Path) -> None:
    log = folder / "log.db"
    a_signing(log).key_file.unlink()
    assert run("rotate", "--db", log).exit_code == 2
    assert run("rotate", "--lost", "--db", log).exit_code == 0
    (key, *_), last = verified(log).keys, verified(log)
    assert (last.exit_code, len(last.keys)) == (1, 2)
    assert "took the place of a lost one" in last.findings[0].detail
    code, said = checked(folder, proof_of(folder, 4), "--key", key)
    assert (code, "does not follow from a key" in said) == (1, True)
    (folder / "keys.txt").write_text(run("keys", "--db", log).stdout)
    assert run("verify", "--db", log, "--keys", folder / "keys.txt").exit_code == 3


def test_keys_as_json_have_their_statements(folder: Path) -> None:
    (said,) = json.loads(run("keys", "--db", folder / "log.db", "--format", "json").stdout)
    assert said["sinceSeq"] == 1
    assert PublicKey.parse(said["key"]).has_signed(Note.parse(said["statement"]))


def test_the_latest_checkpoint_is_printed_and_a_new_one_made(folder: Path) -> None:
    log = folder / "log.db"
    assert run("checkpoint", "--db", log).stdout.splitlines()[1] == "8"
    with closing(a_store(log)) as store:
        record(store, an_event(20))
    assert run("checkpoint", "--db", log).stdout.splitlines()[1] == "8"
    made = run("checkpoint", "--new", "--db", log, "--anchor-file", folder / "anchor.txt")
    assert made.stdout.splitlines()[1] == "9"
    assert (folder / "anchor.txt").read_text().endswith(made.stdout)
    printed = run("verify", "--db", log, "--anchor", made.stdout, "--read-only")
    assert printed.exit_code == 0
    assert "anchor vouches for events 1 to 9" in printed.stdout


def test_a_log_without_a_checkpoint_says_so(tmp_path: Path) -> None:
    a_log_of(tmp_path / "log.db", 1)
    for command in (["checkpoint"], ["prove", "1"], ["rotate"]):
        result = run(*command, "--db", tmp_path / "log.db")
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)


def test_the_anchor_command_writes_a_signed_note_where_it_can(folder: Path) -> None:
    log = folder / "log.db"
    assert run("anchor", folder / "now.txt", "--db", log).exit_code == 0
    (key,) = ring_in(log)[1].public
    assert key.has_signed(Note.parse((folder / "now.txt").read_text()))
    assert run("verify", "--db", log, "--anchor", folder / "now.txt").exit_code == 0


def test_the_standing_anchor_file_is_compared_without_being_asked_for(folder: Path) -> None:
    log, anchor = folder / "log.db", folder / "anchor.txt"
    env = {"REFRACTORY_CDS_AUDIT_ANCHOR_FILE": str(anchor)}
    assert run("verify", "--db", log, "--read-only", env=env).exit_code == 0
    anchor.unlink()
    result = run("verify", "--db", log, "--read-only", env=env)
    assert result.exit_code == 3
    assert "is not there" in result.stderr


# --- a loss that was noticed ----------------------------------------------------------------


def test_a_loss_is_written_down_and_stays_one_until_the_auditor_accepts_it(tmp_path: Path) -> None:
    log, older, anchor = tmp_path / "log.db", tmp_path / "older.db", tmp_path / "anchor.txt"
    a_log_of(log, 5)
    sign_log(log, anchor_file=anchor)
    shutil.copyfile(log, older)
    shutil.copy(default_data_key_file(log), default_data_key_file(older))
    with closing(a_store(log)) as store:
        record(store, an_event(20), an_event(21))
    sign_log(log, anchor_file=anchor)
    recover = ["recover", "--db", older, "--anchor-file", anchor]
    assert run(*recover).exit_code == 2  # no reason
    done = run(*recover, "--reason", "restored from a backup after a disk failure")
    assert done.exit_code == 0, done.output
    assert "entries 7 to 8 are lost" in done.stdout
    last = envelopes(older)[-1]
    told = (last["eventType"], last["seq"], last["lostFrom"], last["lostTo"])
    assert told == ("recovery", 7, 7, 8)
    assert "disk failure" not in json.dumps(last)
    signing = a_signing(log, anchor_file=anchor)
    with closing(Signer(older, signing)) as signer:
        signer.check_anchor()  # the service starts
    with closing(a_store(older)) as store:
        record(store, *(an_event(n) for n in range(30, 36)))
    verify = ["verify", "--db", older, "--read-only", "--anchor-file", anchor]
    result = run(*verify)
    assert result.exit_code == 1
    assert result.stdout.startswith("TAMPERED OR LOST: rolled-back")
    assert "FOUND: rolled-back 7 to 8" in result.stdout
    accepted = run(*verify, "--accept-recovery", "7", "--format", "json")
    assert accepted.exit_code == 0, accepted.output
    assert "loss-accepted" in accepted.stdout
    assert json.loads(accepted.stdout)["anchored"] == 6
    assert run(*verify, "--accept-recovery", "8").exit_code == 1
    with closing(Signer(older, signing)) as signer:
        assert signer.make()
    result = run(*verify, "--accept-recovery", "7")
    assert result.stdout.startswith("WHOLE AND ANCHORED: an anchor vouches for events 1 to 13")


def test_without_a_loss_nothing_is_written_down(folder: Path) -> None:
    result = run(
        *("recover", "--db", folder / "log.db", "--anchor-file", folder / "anchor.txt"),
        *("--reason", "to be sure"),
    )
    assert result.exit_code == 2
    assert len(envelopes(folder / "log.db")) == 8
