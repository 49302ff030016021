"""Opens the pages of every class of a project as staff would, and notes what became of it.

    python -m tests.projects.driving PROJECT FILE    in the folder of its feature

takes the project and writes the findings as files of JSON: for each class every step, with an empty
text if it went well, else with the reason why not.
"""

import html
import json
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.admin.forms import Page, read_page
from tests.projects.catalog import Project
from tests.projects.filling import candidates_of, change_of
from trivet.testing.application import Application
from trivet.testing.client import Client
from trivet_deploy.testing import RoomsComposition
from trivet_settings import load_settings

ROUNDS = 8
"""How often a form is filled in anew after it was refused."""


@dataclass
class Finding:
    """What became of one class.

    Attributes:
        name: The class, with its module behind the project's own name.
        steps: By each of `STEPS` (`tests.projects.steps`): empty, if it went well, else the
            reason; a step that was not reached is missing.
        notes: What there is to know of it, such as that it has nothing to change.
    """

    name: str
    steps: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class StepError(AssertionError):
    """A step did not go as it should; the text says why."""


class Driver:
    """The pages of one mapped class."""

    def __init__(self, application: Application, client: Client, project: Project, mapped: Any):
        from django.contrib import admin

        from trivet_admin.mirror.registry import mirror

        self.application, self.client, self.project = application, client, project
        self.mapped = mapped
        self.model = mirror(mapped)
        self.options = admin.site._registry[self.model]
        meta = self.model._meta
        self.home = f"/admin/{meta.app_label}/{meta.model_name}/"
        self.table = mapped.__table__.name if hasattr(mapped, "__table__") else meta.db_table
        self.finding = Finding(f"{mapped.__module__}.{mapped.__qualname__}")
        self.row = ""

    def run(self) -> None:
        """Everything but the deletion, which waits for the rows that refer to this one."""
        with self.step("shown"):
            self.list_rows()
        with self.step("added"):
            self.add()
        if not self.row:
            return
        with self.step("shown"):
            self.require_row(self.list_rows())
        with self.step("found"):
            self.search()
        with self.step("changed"):
            self.change()
        with self.step("untouched"):
            self.save_untouched()
        with self.step("told"):
            self.read_history()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        try:
            yield
            self.finding.steps[name] = ""
        except StepError as error:
            self.finding.steps[name] = str(error)
        except Exception as error:  # noqa: BLE001  # whatever a page raises is a finding
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{last.filename.rpartition('/')[2]}:{last.lineno}"
            self.finding.steps[name] = f"500: {type(error).__name__}: {error} ({where})"[:600]

    def get(self, path: str) -> Page:
        page = read_page(self.client.get(path))
        if page.status != 200:
            raise StepError(f"GET {path} gave {page.status}")
        return page

    def list_rows(self, query: str = "") -> set[str]:
        """The addresses of the rows of a list."""
        page = self.get(self.home + (f"?q={query}" if query else ""))
        found = re.findall(rf'href="({re.escape(self.home)}[^"/]+/change/)', page.text)
        return {html.unescape(each) for each in found}

    def require_row(self, rows: set[str]) -> None:
        if self.row not in rows:
            raise StepError("its row is not in the list")

    def open_form(self, path: str) -> Page:
        """A page with a form; what a search in one of its fields offers counts as its options."""
        page = self.get(path)
        for tag in re.findall(r'<select[^>]*class="admin-autocomplete"[^>]*>', page.text):
            given = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
            asked = {
                "app_label": given["data-app-label"],
                "model_name": given["data-model-name"],
                "field_name": given["data-field-name"],
            }
            found = self.client.get(given["data-ajax--url"], params=asked).json()["results"]
            page.options[given["name"]] = {str(each["id"]) for each in found}
        return page

    # ---- adding -----------------------------------------------------------------------------

    def add(self) -> None:
        before = self.list_rows()
        refusals = []
        for everything in (True, False):
            refused = self._fill(everything)
            if not refused:
                break
            refusals.append(refused)
        else:
            if not before:
                raise StepError(" | ".join(dict.fromkeys(refusals)))
            self.row = min(before)
            self.finding.notes.append("its row was made with another one, by a link between them")
            return
        added = self.list_rows() - before
        if len(added) != 1:
            raise StepError(f"{len(added)} rows are new in the list")
        (self.row,) = added

    def _fill(self, everything: bool) -> str:
        """Fill in the form for a new row until it is accepted; why it was not, at the end."""
        page = self.open_form(self.home + "add/")
        fields = self._form_fields(page)
        waiting = {
            name: candidates_of(field, page.options.get(name, set()))
            for name, field in fields.items()
        }
        given: dict[str, Any] = {}
        for name, form_field in fields.items():
            if form_field.required or everything:
                given |= self._next(page, name, waiting, form_field)
        answer = page
        for _ in range(ROUNDS):
            answer = read_page(self.client.post(self.home + "add/", data={**page.form, **given}))
            if answer.status == 302:
                return ""
            if answer.status != 200:
                return f"POST gave {answer.status}: {answer.words[:200]}"
            wrong = {name: answer.error_at(name) for name in fields}
            more: dict[str, Any] = {}
            for name in (name for name, sentence in wrong.items() if sentence):
                more |= self._next(page, name, waiting, fields[name], again=True)
            if not more:
                break
            given |= more
        said = [f"{name}: {s}" for name in fields if (s := answer.error_at(name))]
        return "; ".join(said) or _errors_of(answer)

    def _next(
        self, page: Page, name: str, waiting: Any, form_field: Any, *, again: bool = False
    ) -> dict[str, Any]:
        known = self.project.values.get(f"{self.mapped.__name__}.{name}")
        if known is not None:
            return {} if again else {name: known}
        if not again and page.form.get(name) not in (None, "", []) and not page.options.get(name):
            return {}  # a default that is as good
        return {f"{name}{suffix}": value for suffix, value in next(waiting[name], {}).items()}

    def _form_fields(self, page: Page) -> dict[str, Any]:
        """The fields of the page that can be filled in, as Django's form has them."""
        request: Any = _Request()
        form = self.options.get_form(request, None)
        shown = {name.removesuffix("_0").removesuffix("_1") for name in page.fields} | page.fields
        return {name: f for name, f in form.base_fields.items() if name in shown}

    # ---- what is there ----------------------------------------------------------------------

    def search(self) -> None:
        texts = self.options.search_fields
        if not texts:
            self.finding.notes.append("no text to search")
            return
        if self.list_rows("no-such-text-anywhere"):
            raise StepError("a search for what is nowhere finds rows")
        for name in texts:
            shown = self.value_of(name)
            if shown:
                self.require_row(self.list_rows(shown))
                return
        self.finding.notes.append("no text to search in its row")

    def value_of(self, name: str) -> str:
        """The text of one of its row's values; empty if it has none."""
        names = {field.name for field in self.model._meta.fields}
        value = self.application.portal.call(self._value, name) if name in names else None
        return str(value) if value else ""

    async def _value(self, name: str) -> Any:
        from asgiref.sync import sync_to_async
        from django.contrib.admin.utils import unquote

        request: Any = _Request()
        key = unquote(self.row.removesuffix("/change/").rpartition("/")[2])
        row = await sync_to_async(self.options.get_object)(request, key)
        return getattr(row, name, None)

    def change(self) -> None:
        page = self.open_form(self.row)
        fields = self._form_fields(page)
        refused = ""
        for name, form_field in fields.items():
            change = change_of(form_field, page.form.get(name), page.options.get(name, set()))
            if f"{self.mapped.__name__}.{name}" in self.project.values or change is None:
                continue
            given = {f"{name}{suffix}": value for suffix, value in change.items()}
            answer = read_page(self.client.post(self.row, data={**page.form, **given}))
            if answer.status == 302:
                after = self.get(self.row).form
                for key, value in given.items():
                    if after.get(key) != value:
                        raise StepError(f"{key} was set to {value!r} and is {after.get(key)!r}")
                return
            refused = answer.error_at(name) or _errors_of(answer)
        if refused:
            raise StepError(refused)
        self.finding.notes.append("nothing to change")

    def save_untouched(self) -> None:
        before = self.entries()
        page = self.get(self.row)
        answer = read_page(self.client.post(self.row, data=page.form))
        if answer.status != 302:
            raise StepError(_errors_of(answer))
        if self.entries() != before:
            raise StepError("the save of an untouched form has changed the row")

    def entries(self) -> int:
        from trivet.audit.reading import list_entries

        return len(self.application.run(lambda db: list_entries(db, table=self.table)))

    def read_history(self) -> None:
        from trivet.audit.capture import is_audited

        page = self.get(self.row.removesuffix("change/") + "history/")
        if not is_audited(self.mapped.__table__):
            raise StepError("its table is exempt from the audit")
        if " added " not in page.words.partition("Audit trail")[2]:
            raise StepError("the history does not tell that the row was added")

    def delete(self) -> None:
        if self.row not in self.list_rows():
            self.finding.notes.append("its row went with another one")
            return
        path = self.row.removesuffix("change/") + "delete/"
        page = self.get(path)
        answer = read_page(self.client.post(path, data={**page.form, "post": "yes"}))
        if answer.status != 302:
            raise StepError(_errors_of(answer) or page.words[:200])
        if self.row in self.list_rows():
            raise StepError("the row is still there")


class _Request:
    """What `get_form` of Django's admin asks of a request."""

    method = "GET"
    GET: dict[str, str] = {}  # noqa: RUF012  # it stays empty
    POST: dict[str, str] = {}  # noqa: RUF012  # as above

    class user:  # noqa: N801  # as Django names it
        is_active = is_superuser = is_staff = True

        @staticmethod
        def has_perm(_permission: str, _row: Any = None) -> bool:
            return True


def _errors_of(page: Page) -> str:
    """What a page says that went wrong, its errors first."""
    found = re.findall(
        r'<ul class="errorlist[^"]*".*?</ul>|<li class="error">.*?</li>', page.text, re.DOTALL
    )
    texts = [html.unescape(re.sub(r"<[^>]+>", " ", each)) for each in found]
    return " ".join(" ".join(texts).split())


def drive(project: Project) -> list[Finding]:
    """Every step of every class of `project`."""
    application = Application(load_settings(), RoomsComposition())
    # The admin's names want Django to be configured.
    from tests.projects.classes import mapped_classes
    from tests.projects.registering import REFUSED

    findings = []
    with application.started():
        ada = application.make_user("ada", is_staff=True, is_superuser=True)
        with application.client(user=ada) as client:
            client.follow_redirects = False
            drivers = []
            for mapped in mapped_classes(project.module):
                if mapped in REFUSED:
                    name = f"{mapped.__module__}.{mapped.__qualname__}"
                    findings.append(Finding(name, {"shown": REFUSED[mapped]}))
                    continue
                driver = Driver(application, client, project, mapped)
                driver.run()
                drivers.append(driver)
                findings.append(driver.finding)
            for driver in reversed(drivers):
                if driver.row:
                    with driver.step("deleted"):
                        driver.delete()
    return findings


def main(project: str, path: str) -> None:
    """Write what became of the classes of the project in the one file to the other."""
    given = json.loads(Path(project).read_text(encoding="utf-8"))
    findings = [asdict(finding) for finding in drive(Project(**given))]
    Path(path).write_text(json.dumps(findings, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
