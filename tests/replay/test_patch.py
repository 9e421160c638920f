"""A JSON Patch turns the one document into the other (RFC 6902)."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.replay.patch import patch

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b/c", "d~e"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "x/y", "~", ""]), inner, max_size=4)
    ),
    max_leaves=12,
)


def applied(document: Any, operations: list[dict[str, Any]]) -> Any:
    """An independent reading of RFC 6902 §4, for the three operations that are used."""
    whole = {"": copy.deepcopy(document)}
    for one in operations:
        path = ["", *str(one["path"]).split("/")[1:]]
        names = [name.replace("~1", "/").replace("~0", "~") for name in path]
        here: Any = whole
        for name in names[:-1]:
            here = here[int(name)] if isinstance(here, list) else here[name]
        last = names[-1]
        if one["path"] == "":
            whole[""] = one["value"]
        elif isinstance(here, list) and one["op"] == "add":
            here.insert(int(last), one["value"])
        elif one["op"] == "remove":
            del here[int(last) if isinstance(here, list) else last]
        else:
            here[int(last) if isinstance(here, list) else last] = one["value"]
    return whole[""]


@given(JSON, JSON)
def test_a_patch_turns_the_old_into_the_new(old: Any, new: Any) -> None:
    assert applied(old, patch(old, new)) == new
    assert patch(old, copy.deepcopy(old)) == []


CASES = [
    ({"a": 1}, {"a": 2}, [{"op": "replace", "path": "/a", "value": 2}]),
    ({"a": 1}, {}, [{"op": "remove", "path": "/a"}]),
    ({}, {"a/b": None}, [{"op": "add", "path": "/a~1b", "value": None}]),
    ([1, 2, 3], [1], [{"op": "remove", "path": "/2"}, {"op": "remove", "path": "/1"}]),
    ([], [1], [{"op": "add", "path": "/0", "value": 1}]),
    ({"a": True}, {"a": 1}, [{"op": "replace", "path": "/a", "value": 1}]),
    ([1], {"a": 1}, [{"op": "replace", "path": "", "value": {"a": 1}}]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CASES)
def test_it_says_no_more_than_what_differs(old: Any, new: Any, expected: Any) -> None:
    assert patch(old, new) == expected


def test_documents_that_are_the_same_are_not_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone_through(*_: Any) -> Any:
        raise AssertionError("gone through")

    monkeypatch.setattr("cds_service.replay.patch._operations", gone_through)
    assert patch({"a": [1, {"c": None, "b": 2}]}, {"a": [1, {"b": 2, "c": None}]}) == []
    with pytest.raises(AssertionError):
        patch({"a": 1}, {"a": 1.0})
