"""Reading a page as a browser does: its main form with every value, and what it says."""

import html
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx2


@dataclass
class Page:
    """A response, and the form that a person would fill in on it."""

    status: int
    path: str
    text: str
    headers: httpx2.Headers
    form: dict[str, Any] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)
    """What can be filled in."""
    options: dict[str, set[str]] = field(default_factory=dict)
    """What can be chosen, by field."""

    @property
    def chosen(self) -> list[str]:
        """The rows of a list, as its boxes name them for an action."""
        boxes = re.findall(r'<input[^>]*name="_selected_action"[^>]*>', self.text)
        found = [re.search(r'value="([^"]*)"', box) for box in boxes]
        return [html.unescape(each.group(1)) if each else "" for each in found]

    @property
    def words(self) -> str:
        """What stands on the page, without its markup."""
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", self.text)).split())

    def error_at(self, name: str) -> str:
        """The error that stands at a field; empty if none does."""
        row = re.search(
            rf'<div class="form-row[^"]*field-{name}[ "].*?(?=<div class="form-row|</fieldset)',
            self.text,
            re.DOTALL,
        )
        within = row.group(0) if row else ""
        found = re.search(r'<ul class="errorlist[^"]*".*?</ul>', within, re.DOTALL)
        return html.unescape(re.sub(r"<[^>]+>", "", found.group(0))).strip() if found else ""


def read_page(response: httpx2.Response) -> Page:
    parser = _FormParser()
    parser.feed(response.text)
    path = response.url.raw_path.decode()
    return Page(
        response.status_code,
        path,
        response.text,
        response.headers,
        parser.values,
        parser.fields,
        parser.options,
    )


class _FormParser(HTMLParser):
    """Collects what the form that posts would send; the logout form at the top is another."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Any] = {}
        self.fields: set[str] = set()
        self.options: dict[str, set[str]] = {}
        self._inside = False
        self._select: tuple[str, bool] | None = None
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "form":
            self._inside = given.get("id") not in {"logout-form", "changelist-search"}
        elif not self._inside:
            return
        elif tag == "input":
            self._input(name, given)
        elif tag == "select":
            multiple = "multiple" in given
            self._select = (name, multiple)
            self.fields.add(name)
            self.options[name] = set()
            self.values[name] = [] if multiple else ""
        elif tag == "option" and self._select is not None:
            self._option(given)
        elif tag == "textarea":
            self._area, self.values[name] = name, ""
            self.fields.add(name)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.values[self._area] += data.removeprefix("\n")

    def _input(self, name: str, given: dict[str, str | None]) -> None:
        kind = given.get("type") or "text"
        if not name or kind in {"submit", "button", "file"}:
            return
        if kind != "hidden":
            self.fields.add(name)
        if kind in {"checkbox", "radio"} and "checked" not in given:
            return
        value = given.get("value") or ("on" if kind == "checkbox" else "")
        if name == "_selected_action":  # the page that asks again holds one for each row
            self.values[name] = [*self.values.get(name, []), value]
        else:
            self.values[name] = value

    def _option(self, given: dict[str, str | None]) -> None:
        assert self._select is not None
        name, multiple = self._select
        self.options[name].add(given.get("value") or "")
        if "selected" in given:
            value = given.get("value") or ""
            self.values[name] = [*self.values[name], value] if multiple else value
