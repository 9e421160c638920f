"""The Dockerfile as far as it can be judged without building it: pins, order, user, contents."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import PurePosixPath

import pytest

from cds_service.settings import Settings
from deploy.dockerfile import ROOT, Stage, ignore_lines, is_given, read_dockerfile

DOCKERFILE = read_dockerfile()
SERVICE = DOCKERFILE.stages[-1]
HOME = PurePosixPath("/var/lib/refractory-cds")


def position(stage: Stage, name: str, text: str) -> int:
    return next(n for n, i in enumerate(stage.instructions) if i.name == name and text in i.text)


def test_every_stage_starts_from_one_python_pinned_by_digest() -> None:
    images = {DOCKERFILE.image(stage) for stage in DOCKERFILE.stages}
    assert len(images) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+@sha256:[0-9a-f]{64}", images.pop())


def test_packages_are_installed_by_their_hashes_or_from_what_was_built() -> None:
    runs = [run.text for stage in DOCKERFILE.stages for run in stage.all("RUN")]
    commands = [command for run in runs for command in run.split("&&")]
    installs = [c for c in commands if re.search(r"\bpip .*\b(install|wheel) ", c)]
    assert len(installs) == 4
    for install in installs:
        assert "--require-hashes" in install or "--no-deps" in install
    assert not re.search(r"index-url|find-links|://|\bcurl\b|\bwget\b|\bapt", " ".join(runs))


def test_sources_come_after_the_packages_so_that_a_change_to_them_installs_nothing_again() -> None:
    wheel = DOCKERFILE.stage("wheel")
    assert position(wheel, "RUN", "--require-hashes") < position(wheel, "COPY", "cds_service/")
    environment = DOCKERFILE.stage("environment")
    assert position(environment, "RUN", "--require-hashes") < position(environment, "COPY", "wheel")


def test_the_image_takes_nothing_but_the_environment() -> None:
    (copy,) = SERVICE.all("COPY")
    assert copy.flags == {"from": "environment"}
    assert copy.words == ["/opt/refractory-cds/"] * 2
    assert not any(re.search(r"\bpip\b", run.text) for run in SERVICE.all("RUN"))


def test_it_runs_as_a_user_with_a_fixed_number() -> None:
    user, _, group = SERVICE.only("USER").text.partition(":")
    assert user.isdecimal()
    assert group.isdecimal()
    assert int(user) >= 1000
    created = " ".join(run.text for run in SERVICE.all("RUN"))
    assert f"--uid {user} --gid {group}" in created
    assert f"--owner={user} --group={group} --mode=0700" in created
    order = [i.name for i in SERVICE.instructions]
    assert "RUN" not in order[order.index("USER") :]
    assert "COPY" not in order[order.index("USER") :]


def test_it_writes_below_one_folder_which_is_there() -> None:
    made = SERVICE.all("RUN")[0].text.split("--mode=0700", 1)[1].split()
    named = {name: value for name, value in SERVICE.environment.items() if "AUDIT" in name}
    assert len(named) == 4
    for value in named.values():
        assert str(PurePosixPath(value).parent) in made
        assert HOME in PurePosixPath(value).parents
    assert SERVICE.only("WORKDIR").text == str(HOME)


def test_the_settings_it_names_exist() -> None:
    prefix = "REFRACTORY_CDS_"
    named = {name for name in SERVICE.environment if name.startswith(prefix)}
    assert {name.removeprefix(prefix).lower() for name in named} <= set(Settings.model_fields)


def test_it_does_not_say_that_anybody_may_call() -> None:
    assert "REFRACTORY_CDS_JWT" not in SERVICE.environment


def test_it_serves_and_asks_itself_without_a_shell() -> None:
    assert SERVICE.only("ENTRYPOINT").command == ["refractory-cds"]
    assert SERVICE.only("CMD").command == ["serve", "--host", "0.0.0.0"]  # noqa: S104
    check = SERVICE.only("HEALTHCHECK")
    assert set(check.flags) == {"interval", "timeout", "start-period", "retries"}
    assert check.command[:2] == ["python", "-c"]
    assert "/healthz" in check.command[2]
    assert SERVICE.only("EXPOSE").text in check.command[2]


def test_it_has_the_python_that_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"


def test_the_builder_is_given_all_that_is_copied() -> None:
    copied = [
        source
        for stage in DOCKERFILE.stages
        for copy in stage.all("COPY")
        if "from" not in copy.flags
        for source in copy.words[:-1]
    ]
    assert "cds_service/" in copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert is_given(source.strip("/"), ignore_lines()), source


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".venv/bin/python",
        "cds_service/.env",
        "cds_service/__pycache__/app.cpython-311.pyc",
        "cds_service/clinical/__pycache__/advice.cpython-311.pyc",
        "deploy/compose.yaml",
        "docs/auditor.md",
        "fhir_fixtures/mm-len/bundle.json",
        "tests/deploy/test_dockerfile.py",
        "var/decisions.db",
    ],
)
def test_the_builder_is_not_given(path: str) -> None:
    assert not is_given(path, ignore_lines())


def test_the_builder_is_given_every_file_of_the_package() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "cds_service"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    files = listed.stdout.split()
    if not files:
        pytest.skip("not a git checkout")
    assert [file for file in files if not is_given(file, ignore_lines())] == []
