"""docs/projects.md, written of what was seen. A test holds the page to it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.projects.catalog import PROJECTS, Project
from tests.projects.steps import STEPS

HERE = Path(__file__).parent
SEEN = HERE / "seen"
PAGE = HERE.parent.parent / "docs" / "projects.md"

TOP = """# Public projects in the admin

The mapped classes of projects that know nothing of Trivet, imported unchanged, from the versions
that stand below. Each project is one feature: a `models.py` that imports the project's modules, and
an `admin.py` that registers every class with its columns in the list and its texts searched. Then
every class is taken through its pages over ASGI as a person would take it, with values made up from
its fields, on SQLite, and `trivet check` is asked. `make projects` does it again and writes this
page.

| project | classes | {heads} | edited whole |
|---|---|{lines}|---|
"""

EXEMPT = "its table is exempt from the audit"
MEANING = """
- **shown**: the list opens, and shows the row once there is one.
- **added**: the form for a new row is sent and accepted. A class of links may have the row already,
  because the form of a class that it links has made it.
- **found**: a search for a text of the row shows it, one for another text does not.
- **changed**: another value is sent, accepted, and shown afterwards. A class that has nothing but
  references may have no other row to refer to; it counts as changed.
- **untouched**: the form is sent as it was shown, and the audit trail has no new entry. Of a class
  that is exempt from the audit this cannot be seen, and is not counted.
- **told**: the history says that the row was added.
- **deleted**: the page that asks is confirmed, and the row is gone; or it has gone with a row that
  it belongs to.
- **edited whole**: added, changed and deleted.

"""


def render() -> str:
    """The page of everything that was seen."""
    seen = {each.name: read(each) for each in PROJECTS}
    rows = [_row(each, seen[each.name]) for each in PROJECTS]
    heads, lines = " | ".join(STEPS), "|".join("---" for _ in STEPS)
    total = [sum(values) for values in zip(*(numbers for _, numbers in rows), strict=True)]
    table = [f"| {name} | {' | '.join(map(str, numbers))} |" for name, numbers in rows]
    table.append(f"| **together** | {' | '.join(f'**{n}**' for n in total)} |")
    parts = [TOP.format(heads=heads, lines=lines), "\n".join(table), "\n", MEANING]
    parts.append(_share(total, seen))
    parts += [_about(project, seen[project.name]) for project in PROJECTS]
    return "".join(parts)


def read(project: Project) -> dict[str, Any]:
    """What was seen of a project."""
    found: dict[str, Any] = json.loads((SEEN / f"{project.name}.json").read_text(encoding="utf-8"))
    return found


def is_whole(finding: dict[str, Any]) -> bool:
    """Whether rows of a class can be added, changed and deleted."""
    return all(finding["steps"].get(step) == "" for step in ("added", "changed", "deleted"))


def _row(project: Project, seen: dict[str, Any]) -> tuple[str, list[int]]:
    classes = seen["classes"]
    went = Counter(step for each in classes for step in STEPS if _went(each, step))
    numbers = [len(classes), *(went[step] for step in STEPS), sum(map(is_whole, classes))]
    return f"{project.name} {seen['version']}", numbers


def _went(finding: dict[str, Any], step: str) -> bool:
    is_seen = step != "untouched" or finding["steps"].get("told") != EXEMPT
    return is_seen and bool(finding["steps"].get(step) == "")


def _share(total: list[int], seen: dict[str, Any]) -> str:
    classes, shown, whole = total[0], total[1], total[-1]
    notes = [note for each in seen.values() for f in each["classes"] for note in f["notes"]]
    silent = sum(note.startswith("no text to search") for note in notes)
    fixed = notes.count("nothing to change")
    return (
        f"Of {classes} classes, {shown} ({shown * 100 // classes} %) are shown and {whole} "
        f"({whole * 100 // classes} %) are edited whole. {silent} have no text to search in their "
        f"row and count as found; {fixed} had nothing to change to.\n"
    )


def _about(project: Project, seen: dict[str, Any]) -> str:
    lines = [f"\n## {project.name}\n\n{project.about[0].upper()}{project.about[1:]}.\n"]
    exempt = sum(each["steps"].get("told") == EXEMPT for each in seen["classes"])
    if seen["exempt"]:
        lines.append(
            "\nThe database changes rows of its tables by itself (ON DELETE) where no relationship "
            "does it first, which keeps an application with an audit from starting. So the tables "
            "with such a rule are exempt from the audit by their `info`, and the classes of these, "
            f"{exempt} of {len(seen['classes'])}, have no history.\n"
        )
    faults = [f"`trivet check`: {each['sentence']}" for each in seen["check"]]
    lines.append("\n" + ("\n".join(faults) or "`trivet check` finds no fault.") + "\n")
    said = [
        f"- `{each['name']}`, {step}: {_plain(reason)}"
        for each in seen["classes"]
        for step, reason in each["steps"].items()
        if reason not in ("", EXEMPT)
    ]
    lines += ["\nWhat did not go:\n\n" + "\n".join(said) + "\n"] if said else []
    return "".join(lines)


def _plain(reason: str) -> str:
    """A reason on one line, with nothing in it that Markdown takes for its own."""
    text = " ".join(reason.split())
    return text.replace("<", "&lt;").replace("|", "\\|").replace("[", "\\[")[:400]
