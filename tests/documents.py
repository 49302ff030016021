"""Runs the code blocks of a Markdown document in order, as a reader would who types them.

A document is one session: one shell in an empty directory, with `trivet` on the PATH and no
settings of this machine. The command is a fork, see `tests/services/shell_command.py`. What a block
becomes follows from its language:

| block | becomes |
|---|---|
| `sh` | lines for the shell, of which none may fail |
| `console` | after `$ ` a command (`> ` goes on with it), then what it prints, see below |
| `python` | a script, run by `python` |
| `json`, `toml` | must parse |
| anything else | only text |

What a console block prints must be so to the letter, but `...` stands for any text of any number
of lines. A command that is followed by nothing may print what it likes.

A comment on the line before a block says otherwise:

* `<!-- file: shop/models.py -->` the block is that file, and is written there;
* `<!-- serve -->` the one command of the block is a server: it goes on in the background while
  the rest of the document runs. `localhost:8000` stands for it everywhere in the document;
* `<!-- not run: because … -->` the block is not run. `tests/test_docs.py` counts these.
"""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.services.processes import free_port, wait_until
from tests.services.server import is_ready
from tests.services.shell_command import forked_command

RUNNABLE = frozenset({"sh", "console", "python"})
COMMAND_SECONDS = 60.0
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_MARKER = re.compile(r"<!-- (?P<kind>file|serve|not run)(?:: (?P<argument>[^\n]*?))? -->\n\s*\Z")


class DocumentError(AssertionError):
    """A document says something that is not so."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. `line` counts from 1; `marker` is empty, `file`, `serve` or `not run`."""

    document: Path
    line: int
    language: str
    text: str
    marker: str = ""
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"

    @property
    def is_run(self) -> bool:
        return self.marker != "not run" and (self.language in RUNNABLE or self.marker == "file")


@dataclass(frozen=True, slots=True)
class Step:
    """A command and what the document says it prints; None when it says nothing."""

    command: str
    output: str | None


def read_blocks(document: Path) -> list[Block]:
    """The blocks of a document, from top to bottom."""
    text = document.read_text(encoding="utf-8")
    return [_block(document, text, match) for match in _FENCE.finditer(text)]


def _block(document: Path, text: str, match: re.Match[str]) -> Block:
    marker = _MARKER.search(text[: match.start()])
    return Block(
        document=document,
        line=text.count("\n", 0, match.start()) + 1,
        language=match["language"],
        text=textwrap.dedent(match["text"]),
        marker=marker["kind"] if marker else "",
        argument=(marker["argument"] or "") if marker else "",
    )


def check_data(block: Block) -> None:
    """Raise ValueError when a block of data does not parse."""
    if block.language == "json":
        json.loads(block.text)
    if block.language == "toml":
        tomllib.loads(block.text)


def read_steps(text: str) -> Iterator[Step]:
    """The commands of a console block with their output."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        length = 1
        while length < len(lines) and (
            lines[length].startswith("> ") or lines[length - 1].endswith("\\")
        ):
            length += 1
        command = "\n".join(line.removeprefix("> ") for line in lines[:length])
        yield Step(command, "\n".join(lines[length:]).strip() or None)


def matches(expected: str, printed: str) -> bool:
    """Whether a document tells the truth about what was printed."""
    pattern = re.escape(expected).replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def run_document(document: Path, directory: Path, start_seconds: float = 60.0) -> None:
    """Run a document's blocks in `directory`. Raises DocumentError at the first that is not so.

    A server that is not ready after `start_seconds` is not so either.
    """
    with _session(directory, start_seconds) as session:
        for block in read_blocks(document):
            if block.is_run:
                session.run(block)


@contextlib.contextmanager
def _session(directory: Path, start_seconds: float) -> "Iterator[_Session]":
    with forked_command() as commands:
        installed = Path(sys.executable).parent
        path = os.pathsep.join([str(commands), str(installed), os.environ["PATH"]])
        with _shell_session(directory, start_seconds, path) as session:
            yield session


@contextlib.contextmanager
def _shell_session(directory: Path, start_seconds: float, path: str) -> "Iterator[_Session]":
    port = free_port()
    env = {
        **os.environ,
        "PATH": path,
        "TRIVET_PUBLIC_URL": f"http://localhost:{port}",
        "PORT": str(port),
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    with subprocess.Popen(
        ["/bin/sh"],
        cwd=directory,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # so that what it left in the background ends with it
    ) as shell:
        try:
            yield _Session(shell, directory, port, start_seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)
            shell.communicate()


class _Session:
    def __init__(
        self, shell: subprocess.Popen[bytes], directory: Path, port: int, start_seconds: float
    ) -> None:
        self._start_seconds = start_seconds
        self._shell = shell
        self._directory = directory
        self._port = port

    def run(self, block: Block) -> None:
        text = block.text.replace("localhost:8000", f"localhost:{self._port}")
        if block.marker == "file":
            path = self._directory / block.argument
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif block.marker == "serve":
            self._serve(block, text)
        elif block.language == "python":
            script = self._directory / f"block_{block.line}.py"
            script.write_text(text, encoding="utf-8")
            self._step(block, Step(f"python {script.name}", None))
        elif block.language == "console":
            for step in read_steps(text):
                self._step(block, step)
        else:
            self._step(block, Step(f"set -e\n{text}\nset +e", None))

    def _step(self, block: Block, step: Step) -> None:
        code, printed = self._execute(step.command)
        if code is None:
            raise DocumentError(f"{block}: failed, or took too long:\n{step.command}\n\n{printed}")
        if code != 0:
            raise DocumentError(f"{block}: exit code {code} from\n{step.command}\n\n{printed}")
        if step.output is not None and not matches(step.output, printed):
            raise DocumentError(
                f"{block}: after\n{step.command}\nthe document says\n{step.output}\n"
                f"and this is what it printed:\n{printed}"
            )

    def _execute(self, command: str) -> tuple[int | None, str]:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        end = "--- the command ended with"
        # Its own input is closed, or it would swallow the commands that follow.
        wrapped = f"{{ {command}\n}} </dev/null\nprintf '\\n{end} %s\\n' $?\n"
        printed: list[str] = []
        overdue = threading.Timer(COMMAND_SECONDS, os.killpg, (self._shell.pid, signal.SIGKILL))
        overdue.start()
        try:
            self._shell.stdin.write(wrapped.encode())
            self._shell.stdin.flush()
            for line in self._shell.stdout:
                text = line.decode(errors="replace")
                if text.startswith(end):
                    return int(text.removeprefix(end)), "".join(printed).rstrip("\n")
                printed.append(text)
        finally:
            overdue.cancel()
        return None, "".join(printed)

    def _serve(self, block: Block, text: str) -> None:
        command = text.strip().removeprefix("$ ").replace("make demo", "trivet demo")
        log = self._directory / f"server_{block.line}.log"
        full = f"{command} </dev/null >{shlex.quote(str(log))} 2>&1 &"
        self._step(block, Step(full, None))
        url = f"http://localhost:{self._port}"
        try:
            wait_until(lambda: is_ready(url), self._shell, log, self._start_seconds)
        except RuntimeError as error:
            raise DocumentError(f"{block}: {command} {error}") from error
