"""`python -m tests.api_documents`: the OpenAPI documents of the examples are valid.

An example is what people see first of how an API is described: the departures, the shop that was
there before, and the library of the tutorial, whose files are read from the page itself. The
documents are those that `trivet openapi` prints, so that no server is needed. That linters and
generators of clients like them, the suite looks at (`tests/test_api_documents.py`).
"""

import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing.exceptions import Unresolvable

from tests.documents import read_blocks
from tests.services.databases import environment, run_trivet

ROOT = Path(__file__).parent.parent
_METHODS = frozenset({"get", "put", "post", "patch", "delete", "options", "head", "trace"})
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
"""A short name of an operation, which is a function in a generated client."""
_SCHEMA_NAME = re.compile(r"[A-Z][A-Za-z0-9]{0,59}")
"""Two schemas of one name get their modules' names as well, with underscores between."""


def describe_examples(directory: Path) -> dict[str, dict[str, Any]]:
    """The documents of the examples by their names; `directory` is an empty one."""
    write_tutorial(directory)
    chinook = ROOT / "examples" / "chinook"
    return {
        "departures": describe(directory, "departures"),
        "chinook": describe(directory, "store", PYTHONPATH=str(chinook)),
        "tutorial": describe(directory, "notices,library"),
    }


def write_tutorial(directory: Path) -> None:
    """Write the features that the tutorial shows into `directory`."""
    for block in read_blocks(ROOT / "docs" / "tutorial.md"):
        path = directory / block.argument.removeprefix("village/")
        if block.marker == "file" and "tests" not in path.parts:
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    (directory / "library" / "__init__.py").touch()


def describe(directory: Path, features: str, **variables: str) -> dict[str, Any]:
    """What `trivet openapi` prints for `features` in `directory`."""
    env = environment(f"sqlite:///{directory}/none", features=features) | variables
    done = run_trivet("openapi", env=env, cwd=directory)
    if done.returncode != 0:
        raise RuntimeError(f"`trivet openapi` failed for {features}:\n{done.stderr}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def faults_of(document: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a document: it does not obey OpenAPI, or generators would make names of
    it that nobody likes."""
    try:
        for error in OpenAPIV31SpecValidator(document).iter_errors():
            yield f"{'/'.join(map(str, error.absolute_path))}: {error.message.splitlines()[0]}"
    except Unresolvable as error:
        yield f"{error.ref}: there is nothing"
    schemas = document["components"]["schemas"]
    for name in schemas:
        if not _SCHEMA_NAME.fullmatch(name):
            yield f"{name}: not a name of a class"
    shapes = Counter(_shape_of(each) for name, each in schemas.items() if not _is_written(name))
    for name, each in schemas.items():
        if not _is_written(name) and shapes[_shape_of(each)] > 1:
            yield f"{name}: other schemas are the same"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in _METHODS:
                yield from _faults_of(f"{method.upper()} {path}", operation)


def _faults_of(place: str, operation: dict[str, Any]) -> Iterator[str]:
    name = operation.get("operationId", "")
    if not _NAME.fullmatch(name) or re.search(r"(.+)_\1$", name):
        yield f"{place}: {name!r} is not a name of a function"
    for said in ("summary", "description", "tags"):
        if not operation.get(said):
            yield f"{place}: no {said}"


def _is_written(name: str) -> bool:
    """Whether it is about the columns of a class, of which two may have the same."""
    return name.endswith(("Create", "Update"))


def _shape_of(schema: Any) -> str:
    """A schema without what is only said in it."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            is_said = {"title", "description"}
            return {k: bare(v) for k, v in value.items() if not (k in is_said and type(v) is str)}
        return [bare(each) for each in value] if isinstance(value, list) else value

    return json.dumps(bare(schema), sort_keys=True)


def main() -> int:
    """Print what is wrong with the documents. Returns the exit code."""
    with tempfile.TemporaryDirectory() as name:
        documents = describe_examples(Path(name))
    faults = [
        f"{example}: {fault}"
        for example, document in documents.items()
        for fault in faults_of(document)
    ]
    said = [*faults, f"The OpenAPI documents have {len(faults)} faults."]
    print(*(said if faults else ["The OpenAPI documents are valid."]), sep="\n")  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
