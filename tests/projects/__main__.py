"""`make projects`: the classes of every project of the catalog, and the page about them.

    python -m tests.projects                 all of them
    python -m tests.projects optuna zenml    these; the others stay on the page as they were seen

Each has an environment of its own in `.venv-projects`, with what Trivet runs on at the versions of
its lock, and above that what the project's classes import. What was seen is kept in
`tests/projects/seen`, and docs/projects.md is written of it.
"""

import json
import sys
import tempfile
from pathlib import Path

from tests.projects.catalog import PROJECTS
from tests.projects.environments import make_environment
from tests.projects.page import PAGE, SEEN, render
from tests.projects.running import Run


def main(names: list[str]) -> None:
    """See the projects called `names`, or all, and write the page."""
    wanted = [each for each in PROJECTS if not names or each.name in names]
    if unknown := set(names) - {each.name for each in wanted}:
        raise SystemExit(f"The catalog has no {', '.join(sorted(unknown))}.")
    for project in wanted:
        with tempfile.TemporaryDirectory(prefix="trivet-projects-") as name:
            seen = Run(project, Path(name), make_environment(project)).see()
        text = json.dumps(seen, indent=1, sort_keys=True) + "\n"
        (SEEN / f"{project.name}.json").write_text(text, encoding="utf-8")
        print(f"{project.name}: {seen['seconds']} s", flush=True)  # noqa: T201  # a command
    PAGE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
