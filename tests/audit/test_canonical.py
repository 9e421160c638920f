"""Canonical forms: one way to write a value, whatever order and spacing it came with."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from cds_service.audit.canonical import canonical_json, content_hashes, digest

names = st.text(st.characters(max_codepoint=127), max_size=8)
fractions = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not number.is_integer() and 1e-3 <= abs(number) < 1e15
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | fractions
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(names, inner),
    max_leaves=20,
)


@given(values)
def test_what_is_written_is_what_the_reference_library_for_rfc_8785_writes(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(2**53, id="an integer that a double cannot hold"),
        pytest.param(1.0, id="a whole number with a fraction's type"),
        pytest.param(1e-6, id="a fraction that needs an exponent"),
        pytest.param(1e21, id="a number that needs an exponent"),
        pytest.param(float("nan"), id="not a number"),
        pytest.param("\ud800", id="half a surrogate pair"),
        pytest.param({"é": 1}, id="a name beyond ASCII"),
        pytest.param([{"a": [2**60]}], id="deep inside"),
    ],
)
def test_a_value_that_could_be_written_in_two_ways_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical_json(value)


@pytest.mark.parametrize(
    ("one", "other", "same_whole", "same_statement"),
    [
        pytest.param('{"a":1,"b":2}', '{ "b" : 2,\n"a":1}', True, True, id="order and spaces"),
        pytest.param('{"v":1.10}', '{"v":1.1}', False, False, id="a decimal's last zero"),
        pytest.param('{"v":100}', '{"v":1e2}', False, False, id="an exponent"),
        pytest.param('{"t":"é"}', '{"t":"\\u00e9"}', True, True, id="an escape"),
        pytest.param('{"v":1,"meta":{"versionId":"1"}}', '{"v":1}', False, True, id="meta"),
        pytest.param('{"v":1,"text":{"div":"x"}}', '{"v":1}', False, True, id="narrative"),
        pytest.param('{"c":[{"text":"x"}]}', '{"c":[{}]}', False, False, id="text deeper down"),
        pytest.param('{"c":[1,2]}', '{"c":[2,1]}', False, False, id="the order of a list"),
        pytest.param('{"n":9007199254740993}', '{"n":9007199254740992}', False, False, id="2^53+1"),
    ],
)
def test_content_hashes_tell_apart(
    one: str, other: str, same_whole: bool, same_statement: bool
) -> None:
    first, second = content_hashes(one.encode()), content_hashes(other.encode())
    assert (first.whole == second.whole) is same_whole
    assert (first.statement == second.statement) is same_statement


class AsWritten(str):
    """A number's characters."""


def plainly(value: Any) -> str:
    """The content form spelt out with nothing but the standard library."""
    if isinstance(value, AsWritten):
        return str(value)
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: member[0].encode())
        return "{" + ",".join(f"{plainly(name)}:{plainly(inner)}" for name, inner in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(plainly, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


numbers = st.from_regex(
    r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)
resources = st.recursive(
    st.none()
    | st.booleans()
    | numbers.filter(lambda text: text != "-0").map(AsWritten)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=6), inner, max_size=4
        )
    ),
    max_leaves=15,
)


@pytest.mark.parametrize(
    "digits",
    [
        pytest.param("9" * 4300, id="as many as Python reads"),
        pytest.param("9" * 4301, id="one more"),
        pytest.param("-" + "9" * 10_000, id="10,000, below zero"),
    ],
)
def test_an_integer_of_any_length_has_its_place_in_the_content_form(digits: str) -> None:
    resource = {"b": [AsWritten(digits), AsWritten("1.10"), "é"], "a": AsWritten("-7")}
    spaced = plainly(resource).replace(":", " :\n").encode()
    assert content_hashes(spaced).whole == digest(plainly(resource).encode())
    other = plainly(resource | {"b": [AsWritten(digits + "0")]}).encode()
    assert content_hashes(spaced).statement != content_hashes(other).statement


@pytest.mark.parametrize("rest", ['"x":NaN', '"x":01', '"x":"\\ud800"', '"x":"\x01"', '"x":1,'])
def test_beside_a_long_integer_too_what_is_no_json_has_no_content_hash(rest: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        content_hashes(f'{{"n":{"9" * 5000},{rest}}}'.encode())


@given(st.dictionaries(st.sampled_from(["meta", "text", "code", "é", "😀"]), resources))
def test_the_content_form_agrees_with_a_plain_spelling_of_its_rule(
    resource: dict[str, Any],
) -> None:
    as_received = plainly(dict(reversed(resource.items()))).encode()
    statement = {name: value for name, value in resource.items() if name not in ("meta", "text")}
    found = content_hashes(as_received)
    assert found.whole == "sha256:" + hashlib.sha256(plainly(resource).encode()).hexdigest()
    assert found.statement == digest(plainly(statement).encode())


@pytest.mark.parametrize("content", [b"[]", b"1", b"{", b"", b'"x"'])
def test_what_is_no_json_object_has_no_content_hash(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        content_hashes(content)
