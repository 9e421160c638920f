"""Which servers are left alone, and for how long."""

from __future__ import annotations

from cds_service.fhir.silent import MOST_SERVERS, QUIET_SECONDS, SilentServers

ONE, OTHER = "https://one.example/fhir", "https://other.example/fhir"


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_server_is_silent_from_when_it_gave_nothing_until_it_gives_something() -> None:
    silent = SilentServers()
    assert not silent.has(ONE)
    silent.add(ONE)
    assert silent.has(ONE)
    assert not silent.has(OTHER)
    silent.remove(ONE)
    assert not silent.has(ONE)


def test_after_its_time_one_call_asks_and_the_others_wait_for_what_comes_of_it() -> None:
    clock = Clock()
    silent = SilentServers(clock)
    silent.add(ONE)
    clock.now += QUIET_SECONDS - 0.001
    assert silent.has(ONE)
    clock.now += 0.001
    assert [silent.has(ONE) for _ in range(3)] == [False, True, True]
    clock.now += QUIET_SECONDS
    assert not silent.has(ONE)
    silent.remove(ONE)
    assert not silent.has(ONE)


def test_callers_who_name_ever_other_servers_fill_no_memory() -> None:
    silent = SilentServers()
    names = [f"https://{number}.example/fhir" for number in range(MOST_SERVERS + 1)]
    for name in names:
        silent.add(name)
    assert [silent.has(name) for name in names] == [False] + [True] * MOST_SERVERS
