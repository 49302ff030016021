"""One project from nothing to its findings: a feature of its classes, migrations, pages, checks.

Every step is a process of the project's own environment, as a team would run it.
"""

import json
import os
import re
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.projects.catalog import Project

ROOT = Path(__file__).parent.parent.parent
SOURCES = ("platform", "api", "admin", "realtime", "settings", "deploy")
UNAUDITED = "is audited, and its foreign key"
"""What a start says that the audit trail would not see of a table."""

MODELS = "{imports}\n"
EXEMPT = """
from tests.projects.classes import exempt_from_audit

exempt_from_audit("{module}")
"""
ADMIN = """
from tests.projects.registering import register_each

register_each("{module}", __name__)
"""


class Run:
    """One project in its folder, with a database of its own."""

    def __init__(self, project: Project, home: Path, python: Path) -> None:
        self.project, self.home, self.python = project, home, python

    def see(self) -> dict[str, Any]:
        """Migrate, drive every page, check; what was seen."""
        started = time.monotonic()
        is_exempt = self._make_feature()
        self._trivet("makemigrations", "-m", "first")
        self._trivet("migrate")
        given, result = self.home / "project.json", self.home / "findings.json"
        given.write_text(json.dumps(asdict(self.project)), encoding="utf-8")
        self._run("tests.projects.driving", str(given), str(result))
        findings = json.loads(result.read_text(encoding="utf-8"))
        checked = self._command("trivet_deploy.cli", "check", "--json")
        return {
            "version": self.project.version,
            "exempt": is_exempt,
            "seconds": round(time.monotonic() - started),
            "check": [f for f in _findings_in(checked.stdout) if f["state"] == "failed"],
            "classes": findings,
        }

    def _make_feature(self) -> bool:
        """Write the feature's files, and migrate what is Trivet's own. Whether tables had to be
        exempt from the audit, because their rows go by rules of the database."""
        folder = self.home / self.project.feature
        folder.mkdir()
        name, module = self.project.name, self.project.module
        imports = "\n".join(f"from {module} import *" for module in self.project.modules)
        (folder / "__init__.py").write_text(f'"""The classes of {name}."""\n', encoding="utf-8")
        (folder / "models.py").write_text(MODELS.format(imports=imports), encoding="utf-8")
        (folder / "admin.py").write_text(ADMIN.format(module=module), encoding="utf-8")
        migrated = self._command("trivet_deploy.cli", "migrate")
        if UNAUDITED in migrated.stderr:
            text = MODELS.format(imports=imports) + EXEMPT.format(module=module)
            (folder / "models.py").write_text(text, encoding="utf-8")
            self._trivet("migrate")
            return True
        _require_success(migrated)
        return False

    def _trivet(self, *arguments: str) -> None:
        self._run("trivet_deploy.cli", *arguments)

    def _run(self, module: str, *arguments: str) -> None:
        _require_success(self._command(module, *arguments))

    def _command(self, module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(self.python), "-W", "ignore", "-m", module, *arguments]
        return subprocess.run(
            command,
            cwd=self.home,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        roots = [str(self.home), *(str(ROOT / each) for each in SOURCES), str(ROOT)]
        kept = {name: value for name, value in os.environ.items() if name[:7] != "TRIVET_"}
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join(roots),
            "PYTHONWARNINGS": "ignore",
            "TRIVET_SECRET_KEY": "a-secret-of-the-tests-that-guards-nothing-at-all",
            "TRIVET_PUBLIC_URL": "http://localhost:8000",
            "TRIVET_FEATURES": self.project.feature,
            "TRIVET_BROKER": "memory",
        }


def _require_success(done: "subprocess.CompletedProcess[str]") -> None:
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(done.args)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")


def _findings_in(printed: str) -> list[dict[str, str]]:
    """The findings that `trivet check --json` prints, among what a project's own log prints."""
    for match in re.finditer(r"\[", printed):
        try:
            found, _end = json.JSONDecoder().raw_decode(printed, match.start())
        except ValueError:
            continue
        if isinstance(found, list) and all(isinstance(each, dict) for each in found):
            return found
    raise SystemExit(f"trivet check printed no findings:\n{printed[-2000:]}")
