"""A Dockerfile as its stages and instructions, and what of the tree its builder is given."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction; `text` is what stands behind its name, on one line."""

    name: str
    text: str

    @property
    def flags(self) -> dict[str, str]:
        words = (word for word in shlex.split(self.text) if word.startswith("--"))
        return {name: value for name, _, value in (word[2:].partition("=") for word in words)}

    @property
    def words(self) -> list[str]:
        """Its arguments without flags."""
        return [word for word in shlex.split(self.text) if not word.startswith("--")]

    @property
    def command(self) -> list[str]:
        """The exec form of ENTRYPOINT, CMD and HEALTHCHECK CMD; ValueError for a shell's line."""
        words: list[str] = json.loads(self.text[self.text.index("[") :])
        return words


@dataclass(frozen=True, slots=True)
class Stage:
    """What comes between one FROM and the next."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]

    def all(self, name: str) -> list[Instruction]:
        return [i for i in self.instructions if i.name == name]

    def only(self, name: str) -> Instruction:
        (instruction,) = self.all(name)
        return instruction

    @property
    def environment(self) -> dict[str, str]:
        pairs = (word.split("=", 1) for env in self.all("ENV") for word in shlex.split(env.text))
        return {name: value for name, value in pairs}


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """Stages in their order; `arguments` are the ARGs before the first of them."""

    arguments: dict[str, str]
    stages: tuple[Stage, ...]

    def stage(self, name: str) -> Stage:
        (stage,) = (s for s in self.stages if s.name == name)
        return stage

    def image(self, stage: Stage) -> str:
        """The base image of a stage, arguments filled in."""
        return re.sub(r"\$\{(\w+)\}", lambda found: self.arguments[found[1]], stage.base)


def read_dockerfile(path: Path = DEPLOY / "Dockerfile") -> Dockerfile:
    """Read a Dockerfile that uses no parser directives and no here-documents."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for instruction in _instructions(path.read_text("utf-8")):
        if instruction.name == "FROM":
            base, _, name = instruction.text.partition(" AS ")
            stages.append(Stage(name, base, ()))
        elif not stages:
            assert instruction.name == "ARG"
            name, _, value = instruction.text.partition("=")
            arguments[name] = value
        else:
            last = stages[-1]
            stages[-1] = Stage(last.name, last.base, (*last.instructions, instruction))
    return Dockerfile(arguments, tuple(stages))


def _instructions(text: str) -> Iterator[Instruction]:
    without_comments = re.sub(r"(?m)^\s*#.*\n", "", text)
    for line in re.sub(r"\s*\\\n\s*", " ", without_comments).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield Instruction(name, rest.strip())


def is_given(path: str, ignoring: Iterable[str]) -> bool:
    """Whether a `.dockerignore` of these lines lets a file of the tree through.

    The last pattern that matches the file, or a folder it lies in, decides.
    Source: Docker build reference, .dockerignore files.
    """
    given = True
    for line in ignoring:
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            keeps = pattern.startswith("!")
            if re.fullmatch(_expression(pattern.lstrip("!").strip("/")) + "(/.*)?", path):
                given = keeps
    return given


def _expression(pattern: str) -> str:
    """`**/` is any folders or none, `*` anything within one name, brackets a choice."""
    parts = re.split(r"(\*\*/|\*|\[[^]]+\])", pattern)
    known = {"**/": "(?:.*/)?", "*": "[^/]*"}
    return "".join(
        known.get(part, part if part.startswith("[") else re.escape(part)) for part in parts
    )


def ignore_lines() -> list[str]:
    return (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
