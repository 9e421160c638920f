"""A FHIR server that is slow, broken, closed, or not the one it says: 412, or the next best thing.

The token of a call goes to its own server, and nowhere else.
"""

from __future__ import annotations

import json
import socket
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import charts
import httpx
import pytest

from cds_service.demo.fhir_server_faults import Fault
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.client import open_connections
from hooks.calls import REQUIRED, bundle, call, myeloma, prefetch_of, quiet
from hooks.serving import EHR, Served, everything_in, issue_of, serving

TOKEN = "canary-token.with~all_kinds/of+letters=="  # noqa: S105
OBSERVATIONS = f"{EHR}/Observation?patient=p1&_count=500"


def authorised(token: str = TOKEN, **members: Any) -> dict[str, Any]:
    given = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "launch/patient patient/Patient.rs patient/*.read",
        "subject": "refractory-cds",
    }
    return {"fhirServer": EHR, "fhirAuthorization": given | members}


FAILURES = [
    pytest.param([Fault("slow", seconds=30)], "timeout", id="slower than the time there is"),
    pytest.param([Fault("status", status=401)], "forbidden", id="401"),
    pytest.param([Fault("status", status=403)], "forbidden", id="403"),
    pytest.param([Fault("status", status=403, on="Observation")], "forbidden", id="403 of one"),
    pytest.param([Fault("status", status=404, on="Patient")], "not-found", id="404 of the patient"),
    pytest.param([Fault("status", status=410, on="Patient")], "not-found", id="deleted patient"),
    pytest.param([Fault("status", status=404, on="Condition")], "structure", id="404 of a search"),
    pytest.param([Fault("status", status=400)], "structure", id="400"),
    pytest.param([Fault("status", status=302)], "structure", id="a redirect"),
    pytest.param([Fault("status", status=429, retry_after="60")], "timeout", id="429, wait long"),
    pytest.param([Fault("status", status=429)], "timeout", id="429 again and again"),
    pytest.param([Fault("status", status=500)], "timeout", id="500"),
    pytest.param([Fault("status", status=503)], "timeout", id="503"),
    pytest.param([Fault("html")], "structure", id="a log-in page with 200"),
    pytest.param([Fault("half")], "structure", id="half a body"),
    pytest.param([Fault("outcome")], "structure", id="an OperationOutcome with 200"),
    pytest.param(
        [Fault("next", on="Observation", next_url="https://evil.example/fhir/Observation?page=2")],
        "timeout",
        id="a next link to another host",
    ),
    pytest.param(
        [Fault("next", on="Observation", next_url="https://ehr.example/admin?x=1")],
        "timeout",
        id="a next link beside the base",
    ),
    pytest.param(
        [Fault("next", on="Observation", next_url="https://ehr.example@evil.example/fhir/x")],
        "timeout",
        id="a next link in disguise",
    ),
    pytest.param(
        [Fault("next", on="Observation", next_url="//evil.example/fhir/Observation")],
        "timeout",
        id="a next link without a scheme",
    ),
    pytest.param(
        [Fault("next", on="Observation", next_url=OBSERVATIONS)],
        "timeout",
        id="next links in a loop",
    ),
    pytest.param(
        [Fault("next", on="Observation", next_url="")], "timeout", id="an empty next link"
    ),
]


@pytest.mark.parametrize(("faults", "code"), FAILURES)
async def test_a_server_that_does_not_give_the_chart_is_412_and_on_record(
    tmp_path: Path, faults: list[Fault], code: str
) -> None:
    with serving(
        tmp_path, chart=myeloma(), faults=faults, settings={"fhir_seconds": 0.4}
    ) as served:
        began = time.perf_counter()
        answer = await served.hook(call(**authorised()))
        assert time.perf_counter() - began < 2
        assert answer.status_code == 412
        issue = issue_of(answer)
        assert issue["code"] == code
        for secret in ("p1", TOKEN, "ehr.example", "evil", "staged", "?", "session"):
            assert secret not in issue["diagnostics"]
        decision = served.last()
        assert (decision["eventType"], decision["outcome"]) == ("decision", "data-unavailable")
        assert (decision["httpStatus"], decision["decisionId"]) == (412, decision["eventId"])
        assert decision.sealed["response"] == answer.content
        assert served.wire.hosts_that_saw(TOKEN) == {"ehr.example"}
        assert {request.url.host for request in served.wire.asked} == {"ehr.example"}
        assert {request.url.path.split("/")[1] for request in served.wire.asked} == {"fhir"}


@pytest.mark.parametrize("key", REQUIRED)
async def test_one_required_type_that_fails_fails_the_call_and_is_named(
    tmp_path: Path, key: str
) -> None:
    kind = {"patient": "Patient", "conditions": "Condition", "observations": "Observation"}.get(
        key, "MedicationRequest"
    )
    with serving(
        tmp_path, chart=myeloma(), faults=[Fault("status", on=kind, status=500)]
    ) as served:
        answer = await served.hook(call(fhirServer=EHR))
        assert answer.status_code == 412
        assert kind in issue_of(answer)["diagnostics"]


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([Fault("status", status=429, times=1)], id="429 once"),
        pytest.param([Fault("status", status=503, on="Observation", times=1)], id="503 once"),
        pytest.param([Fault("slow", seconds=0.05)], id="slow, but in time"),
        pytest.param([Fault("status", status=403, on="Procedure")], id="an optional type denied"),
        pytest.param([Fault("html", on="ServiceRequest")], id="an optional type broken"),
        pytest.param([Fault("slow", seconds=30, on="Procedure")], id="an optional type too slow"),
    ],
)
async def test_what_passes_or_is_optional_does_not_cost_the_card(
    tmp_path: Path, faults: list[Fault]
) -> None:
    with serving(
        tmp_path, chart=myeloma(), faults=faults, settings={"fhir_seconds": 1.0}
    ) as served:
        answer = await served.hook(call(**authorised()))
        assert answer.status_code == 200
        assert len(answer.json()["cards"]) == 1


async def test_a_chart_of_many_pages_is_read_to_its_end(tmp_path: Path) -> None:
    noise = [
        charts.ecog(1, "2026-01-01", id=f"o{number}") | {"effectiveDateTime": "2026-01-01"}
        for number in range(1100)
    ]
    with serving(tmp_path, chart=[*myeloma(), *noise]) as served:
        answer = await served.hook(call(**authorised()))
        assert len(answer.json()["cards"]) == 1
        assert served.wire.kinds.count("Observation") == 3
        assert served.last()["inputsByType"]["Observation"] == 1102


async def test_a_patient_whom_the_server_does_not_know_is_412(served: Served) -> None:
    body = call(fhirServer=EHR)
    body["context"]["patientId"] = "nobody"
    answer = await served.hook(body)
    assert answer.status_code == 412
    assert issue_of(answer)["code"] == "not-found"
    assert "nobody" not in answer.text


async def test_a_refused_connection_is_412(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]  # bound and not listened on: refused
        rules = AddressRules(loopback_ok=True)
        connections = open_connections(rules)
        with serving(tmp_path, transport=connections, settings={"allow_loopback": True}) as served:
            answer = await served.hook(call(fhirServer=f"http://127.0.0.1:{port}/fhir"))
            assert answer.status_code == 412
            assert str(port) not in issue_of(answer)["diagnostics"]
        await connections.aclose()


async def test_a_server_that_hangs_after_the_connection_is_412_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the system accepts, and nobody reads
        port = silent.getsockname()[1]
        connections = open_connections(AddressRules(loopback_ok=True))
        settings = {"allow_loopback": True, "fhir_seconds": 0.3}
        with serving(tmp_path, transport=connections, settings=settings) as served:
            began = time.perf_counter()
            answer = await served.hook(call(fhirServer=f"http://127.0.0.1:{port}"))
            assert (answer.status_code, issue_of(answer)["code"]) == (412, "timeout")
            assert time.perf_counter() - began < 2
        await connections.aclose()


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("", id="empty"),
        pytest.param("ehr.example/fhir", id="no scheme"),
        pytest.param("ftp://ehr.example/fhir", id="another scheme"),
        pytest.param("file:///etc/passwd", id="a file"),
        pytest.param("http://ehr.example/fhir", id="http"),
        pytest.param("https://ehr.example:8443/fhir", id="another port"),
        pytest.param("https://user:canary-word@ehr.example/fhir", id="with a password"),
        pytest.param("https://ehr.example/fhir?x=", id="with a query"),
        pytest.param("https://ehr.example/fhir#x", id="with a fragment"),
        pytest.param("https://ehr.example/fhir/../admin", id="with a way out"),
        pytest.param("https://ehr.example/fhir%2f..", id="with an escaped way out"),
        pytest.param("https://ehr.example\\@evil.example/", id="with a backslash"),
        pytest.param("https://ehr.example /fhir", id="with a space"),
        pytest.param("https://ehr.example/fhir\r\nX: y", id="with a line break"),
        pytest.param("https://127.0.0.1/fhir", id="this machine"),
        pytest.param("http://localhost:8001/fhir", id="this machine by name"),
        pytest.param("https://[::1]/fhir", id="this machine by IPv6"),
        pytest.param("https://2130706433/fhir", id="this machine as a number"),
        pytest.param("https://0x7f.1/fhir", id="this machine in hexadecimal"),
        pytest.param("https://169.254.169.254/latest", id="a cloud's metadata"),
        pytest.param("https://[::ffff:169.254.169.254]/latest", id="the same inside IPv6"),
        pytest.param("https://10.1.2.3/fhir", id="a private network"),
        pytest.param("https://intranet/fhir", id="a name without a dot"),
        pytest.param("https://ehr.example․/fhir", id="a dot that is none"),
        pytest.param("https://ehr.exämple/fhir", id="letters beyond ASCII"),
        pytest.param("https://" + "a." * 2000 + "example/fhir", id="very long"),
    ],
)
async def test_an_address_to_which_we_do_not_go_is_412_and_nobody_is_asked(
    served: Served, address: str
) -> None:
    answer = await served.hook(call(**(authorised() | {"fhirServer": address})))
    assert answer.status_code == 412
    issue = issue_of(answer)
    assert "canary-word" not in answer.text
    assert issue["diagnostics"].endswith("its address is not one we may read from")
    assert served.wire.asked == []
    assert served.last()["outcome"] == "data-unavailable"


@pytest.mark.parametrize("address", [EHR, f"{EHR}/", "https://EHR.example/fhir"])
async def test_only_listed_servers_are_read_where_there_is_a_list(
    tmp_path: Path, address: str
) -> None:
    with serving(tmp_path, chart=myeloma(), settings={"fhir_servers": (EHR,)}) as served:
        assert (await served.hook(call(fhirServer=address))).status_code == 200
        answer = await served.hook(call(fhirServer="https://ehr.example/fhir2"))
        assert answer.status_code == 412


# --- the token ----------------------------------------------------------------------------------


async def test_the_token_opens_the_server_that_asks_for_one(tmp_path: Path) -> None:
    with serving(tmp_path, chart=myeloma(), token=TOKEN) as served:
        without = await served.hook(call(fhirServer=EHR))
        assert (without.status_code, issue_of(without)["code"]) == (412, "forbidden")
        wrong = await served.hook(call(**authorised("another")))
        assert wrong.status_code == 412
        right = await served.hook(call(**authorised()))
        assert len(right.json()["cards"]) == 1


async def test_without_fhir_authorization_no_authorization_is_sent_not_even_the_clients(
    served: Served,
) -> None:
    answer = await served.hook(call(fhirServer=EHR), Authorization="Bearer e30.canary-jwt.e30")
    assert answer.status_code == 200
    for request in served.wire.asked:
        assert "authorization" not in request.headers
        assert "canary-jwt" not in str(request.headers.raw)
    assert "canary-jwt" not in served.searchable()


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("two words", id="a space"),
        pytest.param("line\r\nX-Evil: 1", id="a line break"),
        pytest.param("tökén", id="beyond ASCII"),
        pytest.param("nul\x00", id="a zero byte"),
    ],
)
async def test_what_cannot_be_a_token_is_400_and_is_sent_to_nobody(
    served: Served, token: str
) -> None:
    answer = await served.hook(call(**authorised(token)))
    assert answer.status_code == 400
    assert issue_of(answer)["expression"] == ["fhirAuthorization.access_token"]
    assert token == "" or token not in answer.text
    assert served.wire.asked == []
    assert served.last()["eventType"] == "request-refused"


@pytest.mark.parametrize(
    ("faults", "prefetch"),
    [
        pytest.param([], None, id="all is read"),
        pytest.param([], prefetch_of(quiet()), id="nothing is read"),
        pytest.param([Fault("status", status=403)], None, id="refused"),
        pytest.param([Fault("html")], None, id="no FHIR"),
        pytest.param([Fault("slow", seconds=9)], None, id="too slow"),
        pytest.param([], {"patient": 5}, id="a malformed call"),
    ],
)
async def test_the_token_is_in_no_answer_no_log_no_metric_and_no_file(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    faults: list[Fault],
    prefetch: dict[str, Any] | None,
) -> None:
    caplog.set_level("DEBUG")
    with serving(
        tmp_path, chart=myeloma(), faults=faults, settings={"fhir_seconds": 0.3}
    ) as served:
        answer = await served.hook(call(prefetch, **authorised()))
        metrics = await served.http.get("/metrics")
        said = capsys.readouterr()
        for text in (answer.text, str(answer.headers), metrics.text, said.out, said.err):
            assert TOKEN not in text
        assert TOKEN not in caplog.text
        assert served.wire.hosts_that_saw(TOKEN) <= {"ehr.example"}
        assert TOKEN.encode() not in everything_in(served)
    for file in tmp_path.iterdir():
        assert TOKEN.encode() not in file.read_bytes(), file.name


NAME, USUAL = '"access_token"', json.dumps(call(**authorised()))
REMOVED = [
    pytest.param(USUAL, id="as usual"),
    pytest.param(USUAL.replace(NAME, '"access\\u005ftoken"'), id="an escape"),
    pytest.param(USUAL.replace(NAME, '"\\u0061ccess\\u005Ftok\\u0065n"'), id="several escapes"),
    pytest.param(USUAL.replace(NAME, f"{NAME}\t\r\n "), id="white space before the colon"),
    pytest.param(USUAL.replace("/", "\\/"), id="escapes in the token"),
    pytest.param(json.dumps(call(**authorised(), x=[{"access_token": TOKEN}])), id="elsewhere too"),
]


@pytest.mark.parametrize("body", REMOVED)
async def test_a_request_is_kept_without_its_token_however_that_is_spelt(
    tmp_path: Path, body: str
) -> None:
    with serving(tmp_path, chart=myeloma()) as served:
        answer = await served.hook(body)
        assert answer.status_code == 200
        assert served.wire.hosts_that_saw(TOKEN) == {"ehr.example"}
        assert b"canary" not in everything_in(served)
        kept = json.loads(served.last().sealed["request"])
        assert kept["fhirAuthorization"] == authorised("(removed)")["fhirAuthorization"]
        assert kept["context"] == json.loads(body)["context"]
        assert "withheld" not in served.last()["sealed"]


WITHHELD = [
    pytest.param(json.dumps(call(**authorised(), x=f"Bearer {TOKEN}")), id="in another text"),
    pytest.param(USUAL[:-1] + f', "{TOKEN}": 1}}', id="as a name"),
    pytest.param(
        USUAL[:-1] + f', "x": "{TOKEN}"}}'.replace("ary", "\\u0061ry"), id="another spelling of it"
    ),
    pytest.param(USUAL[:-1] + f', "x": "{TOKEN}"}}'.replace("/", "\\/"), id="an escaped slash"),
    pytest.param(json.dumps(call(**authorised(), x={"access_token": ["canary"]})), id="no text"),
]


@pytest.mark.parametrize("body", WITHHELD)
async def test_a_request_in_which_a_token_might_stay_is_not_kept_and_the_record_says_so(
    tmp_path: Path, body: str
) -> None:
    with serving(tmp_path, chart=myeloma()) as served:
        answer = await served.hook(body)
        assert answer.status_code == 200
        assert b"canary" not in everything_in(served)
        decision = served.last()
        assert decision["sealed"]["withheld"] == ["request"]
        assert "request" not in decision.sealed
        digest = json.loads(decision.sealed["inputs"])["request"]
        assert digest == f"sha256:{sha256(body.encode()).hexdigest()}"
        assert served.exit_code_of_verify() == 3


async def test_a_resource_that_is_not_utf_8_on_the_server_costs_itself_alone(
    tmp_path: Path,
) -> None:
    """Some servers still speak Latin-1; what they mean cannot be guessed."""
    latin = httpx.Response(200, json=bundle(*myeloma()[1:], charts.problem("Fieber", code="R50.9")))
    observations = latin.content.replace(b"Fieber", "Übelkeit".encode("latin-1"))

    class Server(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == "/fhir/Patient/p1":
                return httpx.Response(
                    200, stream=httpx.ByteStream(b'{"resourceType":"Patient","id":"p1"}')
                )
            wanted = request.url.path == "/fhir/Observation"
            body = observations if wanted else b'{"resourceType":"Bundle"}'
            return httpx.Response(200, stream=httpx.ByteStream(body))

    with serving(tmp_path, transport=Server()) as served:
        answer = await served.hook(call(fhirServer=EHR))
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["cards"]) == 1
        assert served.last()["issues"] == {"invalid-resource": 1}
