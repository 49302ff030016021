"""The public surface: what feature authors may import, read from the sources without running them.

`PUBLIC` names the modules; their ``__all__`` names the rest. Everything else is internal.

    python -m tests.surface            compare the sources with what was written
    python -m tests.surface --write    write tests/surface.txt and docs/reference anew

So a change of the surface is a difference that somebody reviews. griffe reads the sources and the
Google sections of the docstrings.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

from tests import settings_page

Found = griffe.Object | griffe.Alias

ROOT = Path(__file__).parent.parent
SURFACE = ROOT / "tests" / "surface.txt"
REFERENCE = ROOT / "docs" / "reference"
SOURCE_ROOTS = ("settings", "platform", "api", "admin", "realtime", "deploy")

PUBLIC: dict[str, str] = {
    "trivet": "models, errors, identity and the unit of work: for every file of a feature",
    "trivet.models": "the declarative base and column types that both ORMs store alike",
    "trivet.events": "what a feature's `events.py` declares",
    "trivet.rules": "what a feature's `rules.py` declares",
    "trivet.identity": "the identity of a caller, and its permissions",
    "trivet.observation": "events of a running process, for metrics and alarms",
    "trivet.web": "pages of a feature's `web.py`",
    "trivet_api": "what a feature's `api.py` takes",
    "trivet_admin": "what a feature's `admin.py` takes",
    "trivet_realtime": "what a feature's `realtime.py` takes",
    "trivet.testing": "the pytest plugin, for the tests of a feature",
    "trivet_settings": "the settings, for programs that start the application themselves",
    "trivet_deploy.asgi": "the application, for servers of your own",
}
"""Module to one line about it, in the order of the reference."""


def load() -> dict[str, griffe.Module]:
    """The public modules, with their names resolved."""
    loader = griffe.GriffeLoader(
        search_paths=[ROOT / root for root in SOURCE_ROOTS],
        docstring_parser=griffe.Parser.google,
        # What is returned is one sentence, which may have several lines and a colon.
        docstring_options={"returns_multiple_items": False, "returns_named_value": False},
    )
    for package in sorted({name.split(".")[0] for name in PUBLIC} | {"trivet"}):
        loader.load(package)
    loader.resolve_aliases(implicit=False, external=False)
    return {name: _module(loader, name) for name in PUBLIC}


def exported(module: griffe.Module) -> Iterator[tuple[str, Found]]:
    """The names in ``__all__``, in the order of the alphabet, with what they stand for; a name of
    another library stands for the alias itself."""
    for name in sorted(str(each) for each in module.exports or ()):
        found: Any = module.members[name]
        try:
            yield name, found.final_target if found.is_alias else found
        except griffe.AliasResolutionError:
            yield name, found


def lines(modules: dict[str, griffe.Module]) -> Iterator[str]:
    """One line for each name, and for each public member of a class. What several modules offer
    is written out where it is offered first."""
    first: dict[str, str] = {}
    for module_name, module in modules.items():
        for name, found in exported(module):
            here = f"{module_name}.{name}"
            there = first.setdefault(found.path, here)
            if there == here:
                yield from _lines(here, found)
            else:
                yield f"{here} = {there}"


def _module(loader: griffe.GriffeLoader, name: str) -> griffe.Module:
    found: griffe.Module = loader.modules_collection[name]
    if not found.exports:
        raise SystemExit(f"{name} is public and has no __all__: say what it offers")
    return found


def _lines(name: str, found: Found) -> Iterator[str]:
    yield f"{name}{shape_of(found)}"
    if isinstance(found, griffe.Class):
        for member_name, member in public_members(found):
            yield f"{name}.{member_name}{shape_of(member)}"


def public_members(found: griffe.Class) -> list[tuple[str, Found]]:
    """What a class has, without what is private or a dunder: of its own, and of the sections of
    which it is put together."""
    members: dict[str, Found] = {
        name: member
        for owner in (*reversed(_sections_of(found)), found)
        for name, member in owner.members.items()
        if not name.startswith("_") and isinstance(member, griffe.Object)
    }
    return sorted(members.items())


def _sections_of(found: griffe.Class) -> list[griffe.Class]:
    """The bases that stand in a package ``sections``, where nobody imports them from."""
    bases = (each for each in found.resolved_bases if isinstance(each, griffe.Class))
    return [base for base in bases if ".sections." in base.path]


def shape_of(found: Found) -> str:
    """The signature of a function or class, the type of a value, the home of a foreign name."""
    if isinstance(found, griffe.Alias):
        return f" = {found.target_path}"
    if isinstance(found, griffe.Function):
        return f"({parameters_of(found)}) -> {found.returns or 'None'}"
    if isinstance(found, griffe.Class):
        bases = ", ".join(str(base) for base in found.bases)
        made_with = f"({parameters_of(found)})" if "__init__" in found.members else ""
        return f": class[{bases}]{made_with}"
    annotation = getattr(found, "annotation", None)
    return f": {type_of(annotation)}" if annotation is not None else ""


def type_of(annotation: Any) -> str:
    """An annotation without what `Annotated` adds to the type."""
    if isinstance(annotation, griffe.ExprSubscript) and str(annotation.left) == "Annotated":
        inner = annotation.slice
        return str(inner.elements[0] if isinstance(inner, griffe.ExprTuple) else inner)
    return str(annotation)


def parameters_of(found: Any) -> str:
    """Parameters as a signature writes them, without ``self`` and ``cls``."""
    written: list[str] = []
    kinds = griffe.ParameterKind
    marked = False
    for each in found.parameters:
        if each.name in {"self", "cls"} or each.name.startswith("_"):
            continue
        if each.kind is kinds.keyword_only and not marked:
            written.append("*")
            marked = True
        star = {kinds.var_positional: "*", kinds.var_keyword: "**"}.get(each.kind, "")
        marked = marked or star == "*"
        text = f"{star}{each.name}"
        text += f": {type_of(each.annotation)}" if each.annotation else ""
        text += f" = {each.default}" if each.default and not star else ""
        written.append(text)
    return ", ".join(written)


def render(name: str, module: griffe.Module) -> str:
    """A page of the reference."""
    parts = [f"# `{name}`", f"Generated from the docstrings: {PUBLIC[name]}.", _prose(module)]
    for exported_name, found in exported(module):
        parts += [f"## `{exported_name}`", _signature(exported_name, found), _prose(found)]
        if isinstance(found, griffe.Class):
            for member_name, member in public_members(found):
                text = _prose(member)
                if text:
                    heading = f"### `{exported_name}.{member_name}`"
                    parts += [heading, _signature(member_name, member), text]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_index() -> str:
    """The first page of the reference."""
    rows = [f"| [`{name}`]({name}.md) | {about} |" for name, about in PUBLIC.items()]
    return (
        "# Reference\n\n"
        "What a feature may import. It is generated from the docstrings; everything that does not "
        "stand here is internal and may change without notice ([versioning](../versioning.md)).\n\n"
        "| module | what it is for |\n|---|---|\n" + "\n".join(rows) + "\n\n"
        "[Every setting](settings.md), with its variable, default and unit.\n"
    )


def _signature(name: str, found: Found) -> str:
    if isinstance(found, griffe.Function):
        prefix = "" if "property" in found.labels else "async " if "async" in found.labels else ""
        text = f"{prefix}{name}({parameters_of(found)}) -> {found.returns or 'None'}"
    elif isinstance(found, griffe.Class):
        text = f"class {name}({parameters_of(found)})"
    else:
        text = f"{name}{shape_of(found)}"
    return f"```text\n{text}\n```"


def _prose(found: Found) -> str:
    if isinstance(found, griffe.Alias):
        return f"`{found.target_path}`, exported for convenience."
    if found.docstring is None:
        return ""
    return "\n\n".join(filter(None, map(_section, found.docstring.parsed)))


def _section(section: Any) -> str:
    kind = griffe.DocstringSectionKind
    if section.kind is kind.text:
        return re.sub(r"^::$|:(?=:$)", "", str(section.value), flags=re.MULTILINE).replace(
            "``", "`"
        )
    if section.kind is kind.admonition:
        return f"**{section.title}** {section.value.contents}"
    if section.kind is kind.examples:
        return "\n\n".join(str(text) for _, text in section.value)
    title = {
        kind.parameters: "Arguments",
        kind.attributes: "Attributes",
        kind.returns: "Returns",
        kind.yields: "Yields",
        kind.raises: "Raises",
    }[section.kind]
    return f"**{title}**\n\n" + "\n".join(_item(section.kind, each) for each in section.value)


def _item(kind: Any, each: Any) -> str:
    text = " ".join(str(each.description).split()).replace("``", "`")
    if kind in {griffe.DocstringSectionKind.returns, griffe.DocstringSectionKind.yields}:
        return f"- {text}"
    label = each.annotation if kind is griffe.DocstringSectionKind.raises else each.name
    return f"- `{label}`: {text}"


def written() -> dict[Path, str]:
    """Each file that is generated, with what has to stand in it."""
    modules = load()
    pages = {REFERENCE / f"{name}.md": render(name, each) for name, each in modules.items()}
    surface = "\n".join(lines(modules)) + "\n"
    return {
        SURFACE: surface,
        REFERENCE / "README.md": render_index(),
        REFERENCE / "settings.md": settings_page.render(),
        **pages,
    }


def main(arguments: list[str]) -> int:
    """Write, or say what differs."""
    files = written()
    if arguments == ["--write"]:
        REFERENCE.mkdir(exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        sys.stderr.write(f"{path.relative_to(ROOT)} is not what the sources say\n")
    if stale:
        sys.stderr.write("Look at the difference, then run: make reference\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
