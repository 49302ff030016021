"""Forms of pages, as a browser would send them: with their token, and what stands in them.

A form of the admin has hidden fields (the token against forged requests, the version of the row,
the counts of its inlines), and what a test does not name keeps the value that the page shows.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

_PREFIX = re.compile(r"-\d+-")
_PRESSED = frozenset({"submit", "button", "image", "reset", "file"})


@dataclass
class Form:
    """A form of a page that is sent by POST.

    Attributes:
        action: The address that it is sent to; empty: the page's own.
        values: What it would send as it stands, by field.
        names: Its fields, also those that would send nothing.
    """

    action: str = ""
    values: dict[str, list[str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def has(self, name: str) -> bool:
        """Whether it has a field, or can have it in a further row of an inline."""
        return name in self.names or _PREFIX.sub("-__prefix__-", name, count=1) in self.names

    def filled(self, values: Mapping[str, Any]) -> dict[str, list[str]]:
        """What it sends with `values` in their fields: texts, numbers, or lists of them. True is a
        box that is ticked; None and False are one that is not."""
        sent = {name: each for name, each in self.values.items() if "__prefix__" not in name}
        for name, value in values.items():
            sent[name] = list(_texts_of(value))
            self._count(name, sent)
        return sent

    def _count(self, name: str, sent: dict[str, list[str]]) -> None:
        """Tell the inline of a field how many rows it has now."""
        row = _PREFIX.search(name)
        if row is None:
            return
        total = f"{name[: row.start()]}-TOTAL_FORMS"
        known = int(sent.get(total, ["0"])[0])
        sent[total] = [str(max(known, int(row.group().strip("-")) + 1))]


def find_form(page: str, names: Iterable[str], where: str) -> Form:
    """The form of a page, which is at `where`, that has the fields `names`. Raises AssertionError,
    with those that it has, if there is none."""
    parser = _Parser()
    parser.feed(page)
    wanted = set(names)
    for form in reversed(parser.forms):  # the first one of an admin's page is the logout
        if all(map(form.has, wanted)):
            return form
    if not parser.forms:
        raise AssertionError(f"{where} has no form that is sent by POST.")
    known = sorted(parser.forms[-1].names - {"csrfmiddlewaretoken"})
    missing = sorted(name for name in wanted if not parser.forms[-1].has(name))
    raise AssertionError(
        f"The form of {where} has no field {', '.join(missing)}; it has {', '.join(known)}."
    )


def _texts_of(value: Any) -> Iterable[str]:
    if value is None or value is False:
        return []
    if value is True:
        return ["on"]
    if isinstance(value, list | tuple | set | frozenset):
        return [str(each) for each in value]
    return [str(value)]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select = ""
        self._is_single = False
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", ""))
            if given.get("method", "").lower() == "post":
                self.forms.append(self._form)
        elif self._form is not None and "disabled" not in given:
            self._field(self._form, tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area and self._form is not None:
            texts = self._form.values.setdefault(self._area, [""])
            # A page may begin the text with a line break, which is not of it.
            texts[0] += data if texts[0] else data.removeprefix("\r").removeprefix("\n")

    def _field(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name = given.get("name", "")
        if tag == "option" and self._select:
            self._option(form, given)
        elif not name or given.get("type") in _PRESSED:
            return
        elif tag == "select":
            form.names.add(name)
            self._select, self._is_single = name, "multiple" not in given
        elif tag == "textarea":
            form.names.add(name)
            form.values[name], self._area = [""], name
        elif tag == "input":
            form.names.add(name)
            is_box = given.get("type") in {"checkbox", "radio"}
            if not is_box or "checked" in given:
                form.values.setdefault(name, []).append(given.get("value", "on" if is_box else ""))

    def _option(self, form: Form, given: dict[str, str]) -> None:
        value, is_chosen = given.get("value", ""), "selected" in given
        there = form.values.get(self._select)
        # A browser sends the first choice of a list in which nothing is chosen.
        if is_chosen and not self._is_single:
            form.values.setdefault(self._select, []).append(value)
        elif is_chosen or (self._is_single and there is None):
            form.values[self._select] = [value]
