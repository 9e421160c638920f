"""What is kept of charts that came a moment ago: so much, so long, found by its digest alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cds_service.recent import KEPT_SECONDS, Recent

SIZE = 1000


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_was_kept_is_found_under_its_own_digest_and_no_other() -> None:
    recent: Recent[str] = Recent(10 * SIZE)
    recent.keep(b"a", "chart", SIZE)
    assert (recent.get(b"a"), recent.get(b"b")) == ("chart", None)


def test_it_goes_when_its_time_is_over_however_often_it_was_asked_for() -> None:
    clock = Clock()
    recent: Recent[str] = Recent(10 * SIZE, clock)
    recent.keep(b"a", "chart", SIZE)
    clock.now = KEPT_SECONDS - 1
    assert recent.get(b"a") == "chart"
    clock.now = KEPT_SECONDS
    assert recent.get(b"a") is None


def test_what_was_not_used_for_longest_goes_first() -> None:
    recent: Recent[str] = Recent(3 * SIZE)
    for key in (b"a", b"b", b"c"):
        recent.keep(key, key.decode(), SIZE)
    recent.get(b"a")
    recent.keep(b"d", "d", SIZE)
    assert [recent.get(key) for key in (b"a", b"b", b"c", b"d")] == ["a", None, "c", "d"]


def test_what_is_larger_than_all_there_may_be_is_not_kept_and_costs_no_other() -> None:
    recent: Recent[str] = Recent(3 * SIZE)
    recent.keep(b"a", "a", SIZE)
    recent.keep(b"b", "b", 3 * SIZE + 1)
    assert (recent.get(b"a"), recent.get(b"b")) == ("a", None)


def test_nothing_is_kept_where_nothing_may_be() -> None:
    recent: Recent[str] = Recent(0)
    recent.keep(b"a", "a", 1)
    assert not recent.is_on
    assert recent.get(b"a") is None


@given(
    st.lists(
        st.tuples(st.binary(max_size=2), st.integers(0, 4 * SIZE), st.integers(0, 400)), max_size=40
    )
)
def test_no_more_is_held_than_there_is_room_for(kept: list[tuple[bytes, int, int]]) -> None:
    clock = Clock()
    recent: Recent[tuple[int, float]] = Recent(10 * SIZE, clock)
    said: dict[bytes, tuple[int, float]] = {}
    for key, size, later in kept:
        clock.now += later
        said[key] = (size, clock.now)
        recent.keep(key, said[key], size)
        found = {key: recent.get(key) for key in said}
        assert sum(one[0] for one in found.values() if one) <= 10 * SIZE
        assert all(one in (None, said[key]) for key, one in found.items())
        assert all(one[1] + KEPT_SECONDS > clock.now for one in found.values() if one)
