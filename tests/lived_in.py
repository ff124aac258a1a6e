"""A generated project that somebody works with: its commands, and what its training ran."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pexpect

TOOLS = Path(sys.executable).parent


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    output: str

    def steps(self) -> dict[str, str]:
        """For each step of the training, whether it `ran` or was `cached`."""
        lines = re.findall(r"^(ran|cached)\s+(\w+)\s", self.output, re.MULTILINE)
        return {step: state for state, step in lines}

    def ran(self) -> set[str]:
        """The steps that were run."""
        return {step for step, state in self.steps().items() if state == "ran"}


@dataclass(frozen=True)
class Life:
    """A project on disk; `uv` says whether its commands find uv."""

    root: Path
    uv: bool = True

    def nox(self, *words: str, **variables: str) -> Done:
        """Run the project's own nox; the words after it are as a person types them."""
        return self.run(sys.executable, "-m", "nox", *words, **variables)

    def run(self, *command: str, **variables: str) -> Done:
        """Run a command in the project."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**self.environment(), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Done(done.returncode, done.stdout)

    def on_a_terminal(self, question: str, answer: str, *words: str) -> Done:
        """Run nox on a terminal of its own, and answer the question that it asks there."""
        console = pexpect.spawn(
            sys.executable,
            ["-m", "nox", *words],
            cwd=str(self.root),
            env=self.environment(),
            encoding="utf-8",
            timeout=600,
            dimensions=(50, 300),
        )
        said = io.StringIO()
        console.logfile_read = said
        with console:
            console.expect_exact(question)
            console.sendline(answer)
            console.expect(pexpect.EOF)
        return Done(console.wait(), said.getvalue().replace("\r\n", "\n"))

    def ok(self, *words: str, **variables: str) -> Done:
        """Run nox and see it succeed."""
        done = self.nox(*words, **variables)
        assert done.code == 0, f"nox {' '.join(words)}\n{done.output}"
        return done

    def commit(self, message: str = "Change") -> None:
        """Commit everything."""
        for words in (["add", "--all"], ["commit", "--quiet", "--allow-empty", "-m", message]):
            subprocess.run(["git", *words], cwd=self.root, check=True)

    def replace(self, file: str, old: str, new: str) -> None:
        """Change one text in a file, which must be there."""
        path = self.root / file
        text = path.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1))

    def changed(self) -> str:
        """What differs from the last commit, as Git tells it."""
        return self.run("git", "status", "--porcelain").output

    def environment(self) -> dict[str, str]:
        """The variables of a person's shell: nothing of the test run reaches the project."""
        hidden = ("MLFLOW_", "VIRTUAL_ENV", "PYTEST_", "COV_", "PYTHONDONTWRITEBYTECODE", "NOX")
        kept = {name: v for name, v in os.environ.items() if not name.startswith(hidden)}
        folders = [
            folder
            for folder in kept["PATH"].split(os.pathsep)
            if not (Path(folder) / "uv").exists()
        ]
        if self.uv:
            folders.insert(0, str(TOOLS))
        return {**kept, "PATH": os.pathsep.join(folders), "TERM": "dumb"}
