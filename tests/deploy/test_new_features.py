"""`trivet new feature` and `trivet new model`: what they write works with no edit, or is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import written
from tests.deploy.new_projects import ENV, contents, new
from tests.services.databases import run_trivet
from trivet.errors import Invalid
from trivet_deploy.scaffold import names
from trivet_deploy.scaffold.features import TAKEN
from trivet_deploy.scaffold.fields import (
    FieldText,
    read_field,
    read_fields,
    require_attributes,
    require_conditions,
)


@pytest.mark.timeout(480)  # it runs a test suite
def test_what_is_written_is_what_is_kept_and_works_with_no_edit(tmp_path: Path) -> None:
    project = written.write(tmp_path, new)

    assert written.texts(project) == written.texts(written.KEPT), "python -m tests.written"
    for file in (".env", ".env.example"):
        assert "TRIVET_FEATURES=members,bookings\n" in (project / file).read_text()
    assert (project / ".env").stat().st_mode & 0o777 == 0o600
    assert run_trivet("migrate", env=ENV, cwd=project).returncode == 0
    check = run_trivet("check", env=ENV, cwd=project)
    assert check.returncode == 0, check.stdout
    assert "!" not in check.stdout, check.stdout  # no advice either
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        env={name: value for name, value in ENV.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout
    assert "10 passed" in done.stdout


@pytest.mark.parametrize(
    ("word", "field"),
    [
        ("title:str", FieldText("title", "str", ("200",))),
        ("title:str:80!", FieldText("title", "str", ("80",), is_unique=True)),
        ("title:str(80)!?", FieldText("title", "str", ("80",), True, True)),
        ("title:str:unique:null", FieldText("title", "str", ("200",), True, True)),
        ("at:datetime?:index", FieldText("at", "datetime", (), True, is_indexed=True)),
        ("price:decimal", FieldText("price", "decimal", ("12", "2"))),
        ("price:decimal( 8, 3 )", FieldText("price", "decimal", ("8", "3"))),
        ("price:decimal:8,3:null", FieldText("price", "decimal", ("8", "3"), True)),
        ("kind:enum:a,B-c", FieldText("kind", "enum", ("a", "B-c"))),
        ("author:ref", FieldText("author", "ref", ("author",))),
        ("tags:many", FieldText("tags", "many", ("tag",))),
        ("tags:many(books.label)", FieldText("tags", "many", ("books.label",))),
        (
            "code:str:9!:if:ended_on=null",
            FieldText("code", "str", ("9",), is_unique=True, only_if=("ended_on", "null")),
        ),
        (
            "book:ref:unique:if:is_out=true:index",
            FieldText("book", "ref", ("book",), False, True, True, ("is_out", "true")),
        ),
        ("author_id:ref(books.writer)?", FieldText("author", "ref", ("books.writer",), True)),
    ],
)
def test_a_field_is_read_in_either_spelling(word: str, field: FieldText) -> None:
    assert read_field(word) == field


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("title", "Write it like title:str"),
        ("title:string", "Did you mean str?"),
        ("title:Text", "Did you mean text?"),
        ("title:frobnicate", "The types are str, text"),
        ("author:user", "Did you mean ref(user)?"),
        ("price:decimla", "Did you mean decimal?"),
        ("price:decimal(2,8)", "price:decimal(8,2)"),
        ("price:decimal:8", "price:decimal(8,2)"),
        ("price:decimal(a,b)", "price:decimal(8,2)"),
        ("title:str:0", "no room for a character"),
        ("title:str(80):90", "says twice"),
        ("done:bool(1)", "bool takes no (1)"),
        ("title:str:80:uniqe", "Did you mean unique?"),
        ("status:enum", "status:enum(draft,live)"),
        ("status:enum(draft,Draft)", "has a value twice"),
        ("status:enum(2nd)", "begins with a letter"),
        ("author:ref(a,b)", "refers to one model"),
        ("tags:many(a,b)", "refers to one model"),
        ("tags:m2m", "Did you mean many?"),
        ("tags:many:tag?", "leave null out"),
        ("code:str:if:ended_on=null", "code:TYPE:unique:if:other=null"),
        ("code:str!:if", "code:TYPE:unique:if:other=null"),
        ("code:str!:if:ended_on", "code:TYPE:unique:if:other=null"),
        ("title:str title:text", "title stands there twice"),
        ("a:strr b:intt", "Did you mean int?"),  # every fault at once
    ],
)
def test_a_field_that_could_not_work_is_refused(words: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_fields(words.split())
    assert sentence in refused.value.detail


@pytest.mark.parametrize(
    "name",
    ["class", "Title", "_title", "title_", "a__b", "metadata", "version", "pk", "save", "id"],
)
def test_a_field_whose_name_is_taken_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match=name):
        require_attributes([FieldText(name, "str")], TAKEN)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("code:str!:if:endedon=null ended_on:date?", "Did you mean ended_on?"),
        ("code:str!:if:code=null", "no other field"),
        ("code:str!:if:ended_on=null ended_on:date", "write another field"),
        ("code:str!:if:is_out=yes is_out:bool", "write is_out=true or is_out=false"),
        ("code:str!:if:state=gone state:enum(on,off)?", "state=on or state=off or state=null"),
    ],
)
def test_a_condition_of_nothing_is_refused(words: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        require_conditions(read_fields(words.split()))
    assert sentence in refused.value.detail


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Books", "in small letters"),
        ("my-books", "in small letters"),
        ("b" * 41, "at most 40"),
        ("class", "a word of Python's own"),
        ("json", "a module of Python's own"),
        ("django", "an installed package"),
        ("admin", "Trivet, or Django, has something of that name"),
        ("accounts", "Trivet, or Django, has something of that name"),
        ("trivet_shop", "Trivet, or Django, has something of that name"),
        ("tests", "Trivet, or Django, has something of that name"),
        ("stocks", "stocks is there already"),
    ],
)
def test_a_feature_whose_name_is_taken_is_refused(name: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "stocks").mkdir()
    with pytest.raises(Invalid) as refused:
        names.require_feature_name(name, tmp_path)
    assert sentence in refused.value.detail


@pytest.mark.parametrize("name", ["user", "Model", "String", "Exception", "None", "9lives", "a-b"])
def test_a_model_whose_name_is_taken_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        names.read_model_name(name)


@pytest.mark.parametrize(
    ("feature", "model"),
    [
        ("books", "Book"),
        ("categories", "Category"),
        ("spare_parts", "SparePart"),
        ("boxes", "Box"),
        ("addresses", "Address"),
        ("news", "News"),
        ("status", "Status"),
        ("library", "Library"),
    ],
)
def test_a_model_is_called_by_one_of_what_its_feature_names(feature: str, model: str) -> None:
    assert names.model_name_of(feature) == model


def test_what_could_not_work_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    new("project", "club", cwd=tmp_path)
    new("feature", "members", "name:str", cwd=tmp_path / "club")
    club = tmp_path / "club"
    before = contents(club)
    for words, sentence in (
        ("feature members title:str", "trivet new model members NAME title:str"),
        ("feature loans who:ref(memberr)", "Did you mean member?"),
        ("feature pages parent:ref(page)", "parent:ref(page)?"),
        ("feature pages near:many(page)", "write that association by hand"),
        ("feature pages a:ref(member) a_id:int", "a_id is the key of a reference"),
        ("model memebrs badge name:str", "Did you mean members?"),
        ("model members member name:str", "members has a model Member already"),
    ):
        refused = new(*words.split(), cwd=club, code=1).stderr
        assert sentence in " ".join(refused.split())
    assert contents(club) == before

    # What can only be seen when all is written, is written back.
    (club / "members" / "migrations" / "0002_broken.py").write_text("revision = 'x' +\n")
    before = contents(club)
    for words in ("model members badge no:int", "feature loans no:int"):
        refused = new(*words.split(), cwd=club, code=1).stderr
        assert "Nothing was written" in refused
    assert contents(club) == before


def test_it_is_told_where_to_go_outside_of_a_project(tmp_path: Path) -> None:
    refused = run_trivet("new", "feature", "a", "b:str", env={**os.environ}, cwd=tmp_path)
    assert refused.returncode == 3
    assert "trivet new project NAME" in refused.stderr
