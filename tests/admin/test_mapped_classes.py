"""Whatever base a mapped class stands on: ours if a feature brings it, and captured whole.

Classes of a library's kind, on bases of their own, are written through every kind of door; the
trail has to tell of each row what it tells of one of ours.
"""

import gc
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, inspect, text, update
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    column_property,
    declared_attr,
    deferred,
    mapped_column,
    registry,
)

from tests.admin.doors import DOORS
from tests.admin.house import House, engine_of
from trivet import Model
from trivet.audit.reading import list_entries
from trivet.errors import ConfigurationError
from trivet.features import load_features
from trivet.models.mapped import every_mapper, is_ours, our_mappers
from trivet.models.mapping_errors import require_configured
from trivet.models.owners import owner_of, tables_of

pytestmark = pytest.mark.anyio

METADATA = MetaData()
strangers = registry(metadata=METADATA)


class OwnBase(DeclarativeBase):
    metadata = METADATA


class OnOwnBase(OwnBase):
    __tablename__ = "strange_own_base"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class DataclassBase(MappedAsDataclass, DeclarativeBase):
    metadata = METADATA


class AsDataclass(DataclassBase):
    __tablename__ = "strange_dataclass"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, init=False)
    name: Mapped[str] = mapped_column(String(20))


@strangers.mapped
class ByDecorator:
    __tablename__ = "strange_decorator"
    id = Column(Integer, primary_key=True)
    name: Any = Column(String(20), nullable=False)

    def __init__(self, name: str) -> None:
        self.name = name


@dataclass
class Imperative:
    name: str
    id: int | None = None


strangers.map_imperatively(
    Imperative,
    Table(
        "strange_imperative",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("name", String(20), nullable=False),
    ),
)


class TableModel(strangers.generate_base()):  # type: ignore[misc]  # as SQLModel makes its own
    """Names its table by the class, as SQLModel does."""

    __abstract__ = True

    @declared_attr.directive
    def __tablename__(cls) -> str:  # noqa: N805  # a directive is given the class
        return f"strange_{cls.__name__.lower()}"


class ModelLike(TableModel):
    id = Column(Integer, primary_key=True)
    name = deferred(Column(String(20), nullable=False))


@Model.registry.mapped
class OursByDecorator:
    __tablename__ = "our_decorator"
    id = Column(Integer, primary_key=True)
    name: Any = Column(String(20), nullable=False)

    def __init__(self, name: str) -> None:
        self.name = name


class OursImperative:
    def __init__(self, name: str) -> None:
        self.name = name


Model.registry.map_imperatively(
    OursImperative,
    Table(
        "our_imperative",
        Model.metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String(20), nullable=False),
    ),
)


class OursAsDataclass(MappedAsDataclass, Model):
    __tablename__ = "our_dataclass"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, init=False)
    name: Mapped[str] = mapped_column(String(20))


STRANGE = (OnOwnBase, AsDataclass, ByDecorator, Imperative, ModelLike)
OURS = (OursByDecorator, OursImperative, OursAsDataclass)
CLASSES: dict[str, Any] = {each.__name__: each for each in (*STRANGE, *OURS)}


def table_of(mapped: Any) -> Table:
    return cast("Table", inspect(mapped).local_table)


@pytest.fixture
def tables(shelves: None, database_url: str) -> Iterator[None]:
    """The tables of all these classes, and of those that a test adds itself."""
    engine = engine_of(database_url)
    ours = [table_of(mapped) for mapped in OURS]
    METADATA.create_all(engine)
    Model.metadata.create_all(engine, tables=ours)
    yield
    engine.dispose()


@pytest.fixture
async def place(tables: None, house: House) -> House:
    return house


async def noted(house: House, table: str) -> list[tuple[str, str, Any]]:
    async with house.platform.database.unit(read_only=True) as session:
        entries = await session.run_sync(list_entries, table=table)
    return [(e.kind, e.row_key, json.loads(e.changes)) for e in entries[::-1]]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", CLASSES)
async def test_every_change_of_every_mapped_class_is_audited_whole(
    place: House, name: str, door: str
) -> None:
    mapped = CLASSES[name]

    def add(db: Session) -> None:
        db.add(mapped(name="new"))

    def rename(db: Session) -> None:
        db.get_one(mapped, 1).name = "renamed"

    def delete(db: Session) -> None:
        db.delete(db.get_one(mapped, 1))

    for work in (add, rename, delete):
        await DOORS[door](place, work)
    assert await noted(place, table_of(mapped).name) == [
        ("insert", "1", {"id": {"to": 1}, "name": {"to": "new"}}),
        ("update", "1", {"name": {"from": "new", "to": "renamed"}}),
        ("delete", "1", {"id": {"from": 1}, "name": {"from": "renamed"}}),
    ]


UNSEEN: dict[str, Callable[[Session, Any], Any]] = {
    "a bulk statement": lambda db, mapped: db.execute(update(mapped).values(name="x")),
    "a statement on the table": lambda db, mapped: db.connection().execute(
        update(table_of(mapped)).values(name="x")
    ),
    "text": lambda db, mapped: db.execute(text(f"UPDATE {table_of(mapped).name} SET name = 'x'")),
    "text in capitals": lambda db, mapped: db.execute(
        text(f"DELETE FROM {table_of(mapped).name.upper()}")
    ),
}


@pytest.mark.parametrize("way", UNSEEN)
@pytest.mark.parametrize("name", CLASSES)
async def test_what_no_flush_would_see_is_refused_for_every_mapped_class(
    place: House, name: str, way: str
) -> None:
    with pytest.raises(RuntimeError, match="past the capture of events"):
        await DOORS["request"](place, lambda db: UNSEEN[way](db, CLASSES[name]))


async def test_a_class_that_is_mapped_later_is_known_to_the_guards_too(place: House) -> None:
    class Late(OwnBase):
        __tablename__ = "strange_late"
        id: Mapped[int] = mapped_column(Integer, primary_key=True)
        name: Mapped[str] = mapped_column(String(20))

    async with place.platform.database.engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    with pytest.raises(RuntimeError, match="past the capture of events"):
        await DOORS["unit_of_its_own"](place, lambda db: UNSEEN["text"](db, Late))
    await DOORS["unit_of_its_own"](place, lambda db: db.add(Late(name="new")))
    assert [kind for kind, *_ in await noted(place, "strange_late")] == ["insert"]


class Parent(OwnBase):
    __tablename__ = "strange_parent"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)


class Child(OwnBase):
    __tablename__ = "strange_child"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    parent_id: Mapped[int] = mapped_column(ForeignKey(Parent.id, ondelete="CASCADE"))


PARENTS, OWN = table_of(Parent), table_of(OnOwnBase)


class Joined(OwnBase):
    """Two tables as one class."""

    __table__ = PARENTS.join(OWN, PARENTS.c.id == OWN.c.id)
    id = column_property(PARENTS.c.id, OWN.c.id)


@pytest.mark.parametrize(
    ("row", "sentences"),
    [
        (lambda: Child(parent_id=1), ("Child is audited", "ON DELETE CASCADE", "Give Parent a")),
        (lambda: Joined(name="x"), ("Joined is mapped to several tables", "one table each")),
    ],
)
async def test_a_class_that_cannot_be_captured_whole_is_refused_with_its_first_row(
    place: House, row: Callable[[], Any], sentences: tuple[str, ...]
) -> None:
    with pytest.raises(RuntimeError) as refused:
        await DOORS["unit_of_its_own"](place, lambda db: db.add(row()))
    assert [each for each in sentences if each not in str(refused.value)] == []


def test_one_question_has_one_answer() -> None:
    """Private to SQLAlchemy, so pinned here: `_all_registries` and `_managers`."""
    every = {mapper.class_ for mapper in every_mapper()}
    ours = {mapper.class_ for mapper in our_mappers()}
    assert every >= {*STRANGE, *OURS}
    assert ours >= {*OURS}
    assert ours.isdisjoint(STRANGE)
    assert [is_ours(inspect(mapped)) for mapped in (*STRANGE, *OURS)] == [False] * 5 + [True] * 3


HEADING = """
from sqlalchemy import Column, Integer, MetaData, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, registry
from trivet import Model
"""
BASES = {
    "own base": (
        "class Base(DeclarativeBase): ...\n"
        "class Stranger(Base):\n"
        "    __tablename__ = 'thing'\n"
        "    id: Mapped[int] = mapped_column(primary_key=True)\n"
    ),
    "dataclass": (
        "class Base(MappedAsDataclass, DeclarativeBase): ...\n"
        "class Stranger(Base):\n"
        "    __tablename__ = 'thing'\n"
        "    id: Mapped[int] = mapped_column(primary_key=True)\n"
    ),
    "decorator": (
        "@registry().mapped\n"
        "class Stranger:\n"
        "    __tablename__ = 'thing'\n"
        "    id = Column(Integer, primary_key=True)\n"
    ),
    "imperative": (
        "class Stranger: ...\n"
        "table = Table('thing', MetaData(), Column('id', Integer, primary_key=True))\n"
        "registry().map_imperatively(Stranger, table)\n"
    ),
    "our metadata, another registry": (
        "class Base(DeclarativeBase):\n"
        "    metadata = Model.metadata\n"
        "class Stranger(Base):\n"
        "    __tablename__ = 'thing'\n"
        "    id: Mapped[int] = mapped_column(primary_key=True)\n"
    ),
    "our registry, another metadata": (
        "class Stranger: ...\n"
        "table = Table('thing', MetaData(), Column('id', Integer, primary_key=True))\n"
        "Model.registry.map_imperatively(Stranger, table)\n"
    ),
}


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Load a feature of these files alone; at the end no feature brings anything."""
    monkeypatch.syspath_prepend(tmp_path)
    names: list[str] = []

    def bring(name: str, **files: str) -> None:
        names.append(name)
        (tmp_path / name).mkdir()
        for file, text_ in {"__init__": "", **files}.items():
            (tmp_path / name / f"{file}.py").write_text(text_)
        load_features([name])

    yield bring
    load_features([])
    for mapper in list(Model.registry.mappers):
        if mapper.class_.__module__.partition(".")[0] in names:
            Model.registry._dispose_cls(mapper.class_)
    if "thing" in Model.metadata.tables:
        Model.metadata.remove(Model.metadata.tables["thing"])
    for name in [each for each in sys.modules if each.partition(".")[0] in names]:
        del sys.modules[name]
    gc.collect()  # or SQLAlchemy knows their mappers for a while


@pytest.mark.parametrize("base", BASES)
def test_what_a_feature_maps_is_ours_on_whatever_base(
    base: str, brought: Callable[..., None]
) -> None:
    name = f"strange_{list(BASES).index(base)}"
    brought(name, models=HEADING + BASES[base])
    mapped = sys.modules[f"{name}.models"].Stranger
    mapper: Any = inspect(mapped)
    assert is_ours(mapper)
    assert mapped in {each.class_ for each in our_mappers()}
    assert owner_of(mapper) == name
    assert tables_of(name) == {mapper.local_table}
    load_features([])
    assert is_ours(mapper) is (mapper.registry is Model.registry)
    assert tables_of(name) == set()


THEIRS = (
    "from sqlalchemy import Column, ForeignKey, Integer, Table\n"
    "from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column\n"
    "class Base(DeclarativeBase): ...\n"
    "class Author(Base):\n"
    "    __tablename__ = 'author'\n"
    "    id: Mapped[int] = mapped_column(primary_key=True)\n"
    "class Shop(Base):\n"
    "    __tablename__ = 'shop'\n"
    "    id: Mapped[int] = mapped_column(primary_key=True)\n"
    "friends = Table('friends', Base.metadata, Column('of', ForeignKey(Author.id)))\n"
)


def test_an_imported_class_brings_the_rest_of_its_base(
    brought: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "strange_app").mkdir()
    (tmp_path / "strange_app" / "tables.py").write_text(THEIRS)
    brought("strange_import", models="from strange_app.tables import Author\n")
    theirs = sys.modules["strange_app.tables"]
    assert [owner_of(inspect(each)) for each in (theirs.Author, theirs.Shop)] == [
        "strange_import"
    ] * 2
    assert {table.name for table in tables_of("strange_import")} == {"author", "shop", "friends"}


@pytest.mark.parametrize(
    ("more", "is_refused"),
    [
        ("", True),
        ("    __table_args__ = {'schema': 'elsewhere'}\n", False),
        ("    __table_args__ = {'info': {'external': True}}\n", False),
    ],
)
@pytest.mark.parametrize("table", ["thing", "accounts_user"])
def test_a_table_that_stands_in_two_metadata_is_refused_unless_one_of_them_only_refers_to_it(
    brought: Callable[..., None], table: str, more: str, is_refused: bool
) -> None:
    name = f"twice_{table}_{len(more)}"
    models = HEADING + BASES["own base"].replace("'thing'", f"'{table}'") + more
    if table == "thing":
        models += (
            "class Thing(Model):\n"
            "    __tablename__ = 'thing'\n"
            "    id: Mapped[int] = mapped_column(primary_key=True)\n"
        )
    brought(name, models=models)
    if not is_refused:
        require_configured()
        return
    with pytest.raises(ConfigurationError) as refused:
        require_configured()
    assert f"{name}.models.Stranger" in refused.value.detail
    assert "Cure: give" in refused.value.detail


def test_a_foreign_key_by_name_into_another_metadata_is_explained(
    brought: Callable[..., None],
) -> None:
    models = HEADING + BASES["own base"]
    models += "    of_id = mapped_column(ForeignKey('accounts_user.id'))\n"
    brought("by_name", models="from sqlalchemy import ForeignKey\n" + models)
    with pytest.raises(ConfigurationError) as refused:
        require_configured()
    assert "by_name/models.py: Stranger.of_id refers to accounts_user.id" in refused.value.detail
    assert "in another metadata. Cure: ForeignKey(User.id)" in refused.value.detail
