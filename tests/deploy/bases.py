"""The ways in which people map classes: one feature each, with a parent and its children.

A row of `STYLES` is the ``models.py`` of a feature of that name, which has `Parent` and `Child`.
The classes of all rows are called alike, and no two rows share a registry with them.

Beside them stand two features with somebody else's classes and nothing of their own: `borrowed`,
whose ``models.py`` names the package, and `aside`, which the settings alone name.
"""

from collections.abc import Mapping
from pathlib import Path

STYLES: Mapping[str, str] = {
    "declarative": """
from datetime import datetime
from sqlalchemy import ForeignKey, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

class Base(DeclarativeBase):
    pass

class Parent(Base):
    __tablename__ = "declarative_parent"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30), unique=True)
    made: Mapped[datetime] = mapped_column(server_default=func.now())
    children: Mapped[list["Child"]] = relationship(
        back_populates="parent", cascade="all, delete-orphan")

class Child(Base):
    __tablename__ = "declarative_child"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30))
    parent_id: Mapped[int] = mapped_column(ForeignKey("declarative_parent.id"), index=True)
    parent: Mapped[Parent] = relationship(back_populates="children")
""",
    "columns": """
from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, MetaData, String
from sqlalchemy.orm import declarative_base, relationship

Base = declarative_base(metadata=MetaData(naming_convention={
    "ix": "%(table_name)s_by_%(column_0_name)s",
    "uq": "%(table_name)s_only_one_%(column_0_name)s", "pk": "%(table_name)s_key",
    "fk": "%(table_name)s_to_%(referred_table_name)s"}))

class Parent(Base):
    __tablename__ = "columns_parent"
    __table_args__ = (CheckConstraint("name <> 'nobody'"),)
    id = Column(Integer, primary_key=True)
    name = Column(String(30), nullable=False, unique=True)
    children = relationship("Child", back_populates="parent", cascade="all, delete-orphan")

class Child(Base):
    __tablename__ = "columns_child"
    id = Column(Integer, primary_key=True)
    name = Column(String(30), nullable=False)
    parent_id = Column(Integer, ForeignKey("columns_parent.id"), nullable=False, index=True)
    parent = relationship("Parent", back_populates="children")
""",
    "decorated": """
from sqlalchemy import Column, ForeignKey, Integer, String
from sqlalchemy.orm import registry, relationship

mapper_registry = registry()

@mapper_registry.mapped
class Parent:
    __tablename__ = "decorated_parent"
    id = Column(Integer, primary_key=True)
    name = Column(String(30), nullable=False)
    children = relationship("Child", back_populates="parent", cascade="all, delete-orphan")

@mapper_registry.mapped
class Child:
    __tablename__ = "decorated_child"
    id = Column(Integer, primary_key=True)
    name = Column(String(30), nullable=False)
    parent_id = Column(ForeignKey(Parent.id), nullable=False, index=True)
    parent = relationship("Parent", back_populates="children")
""",
    "imperative": """
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table
from sqlalchemy.orm import registry, relationship

metadata = MetaData()
parents = Table("imperative_parent", metadata,
    Column("id", Integer, primary_key=True), Column("name", String(30), nullable=False))
children = Table("imperative_child", metadata,
    Column("id", Integer, primary_key=True), Column("name", String(30), nullable=False),
    Column("parent_id", ForeignKey("imperative_parent.id"), nullable=False, index=True))

class Parent:
    def __init__(self, name):
        self.name = name

class Child:
    def __init__(self, name, parent):
        self.name, self.parent = name, parent

mappers = registry()
mappers.map_imperatively(Parent, parents, properties={
    "children": relationship(Child, back_populates="parent", cascade="all, delete-orphan")})
mappers.map_imperatively(Child, children, properties={
    "parent": relationship(Parent, back_populates="children")})
""",
    "mixed": """
import uuid
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import (
    DeclarativeBase, Mapped, declared_attr, mapped_column, relationship)

class Base(DeclarativeBase):
    @declared_attr.directive
    def __tablename__(cls):
        return f"mixed_{cls.__name__.lower()}"

class Keyed:
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)

class Named:
    name: Mapped[str] = mapped_column(String(30))

class Parent(Keyed, Named, Base):
    children = relationship("Child", back_populates="parent", cascade="all, delete-orphan")

class Owned:
    @declared_attr
    def parent_id(cls) -> Mapped[uuid.UUID]:
        return mapped_column(ForeignKey("mixed_parent.id"), index=True)

    @declared_attr
    def parent(cls) -> Mapped[Parent]:
        return relationship("Parent", back_populates="children")

class Child(Keyed, Named, Owned, Base):
    pass
""",
    "dataclassy": """
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import (
    DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, relationship)

class Base(MappedAsDataclass, DeclarativeBase):
    pass

class Parent(Base):
    __tablename__ = "dataclassy_parent"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    name: Mapped[str] = mapped_column(String(30))
    children: Mapped[list["Child"]] = relationship(
        back_populates="parent", cascade="all, delete-orphan", init=False, repr=False)

class Child(Base):
    __tablename__ = "dataclassy_child"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    parent_id: Mapped[int] = mapped_column(
        ForeignKey("dataclassy_parent.id"), index=True, init=False)
    name: Mapped[str] = mapped_column(String(30))
    parent: Mapped[Parent] = relationship(back_populates="children")
""",
    "sqlmodels": """
from sqlmodel import Field, Relationship, SQLModel

class Named(SQLModel):
    name: str = Field(max_length=30)

class Parent(Named, table=True):
    __tablename__ = "sqlmodels_parent"
    id: int | None = Field(default=None, primary_key=True)
    children: list["Child"] = Relationship(
        back_populates="parent", sa_relationship_kwargs={"cascade": "all, delete-orphan"})

class Child(Named, table=True):
    __tablename__ = "sqlmodels_child"
    id: int | None = Field(default=None, primary_key=True)
    parent_id: int = Field(foreign_key="sqlmodels_parent.id", index=True)
    parent: Parent = Relationship(back_populates="children")
""",
    "advanced": """
from uuid import UUID
from advanced_alchemy.base import UUIDAuditBase
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

class Parent(UUIDAuditBase):
    __tablename__ = "advanced_parent"
    name: Mapped[str] = mapped_column(String(30))
    children: Mapped[list["Child"]] = relationship(
        back_populates="parent", cascade="all, delete-orphan")

class Child(UUIDAuditBase):
    __tablename__ = "advanced_child"
    name: Mapped[str] = mapped_column(String(30))
    parent_id: Mapped[UUID] = mapped_column(ForeignKey("advanced_parent.id"), index=True)
    parent: Mapped[Parent] = relationship(back_populates="children")
""",
    # As fastapi-users has its users: a type of the library's, and columns in a mixin.
    "users": """
import uuid
from sqlalchemy import Boolean, ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import CHAR, TypeDecorator, Uuid

class Guid(TypeDecorator):
    impl = CHAR
    cache_ok = True

    def load_dialect_impl(self, dialect):
        kind = Uuid() if dialect.name == "postgresql" else CHAR(36)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value, dialect):
        return value if value is None or dialect.name == "postgresql" else str(value)

    def process_result_value(self, value, dialect):
        return value if value is None or isinstance(value, uuid.UUID) else uuid.UUID(value)

class UserTable:
    __tablename__ = "users_parent"
    id: Mapped[uuid.UUID] = mapped_column(Guid, primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(String(30), unique=True, index=True, nullable=False)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True, nullable=False)

class Base(DeclarativeBase):
    pass

class Parent(UserTable, Base):
    children: Mapped[list["Child"]] = relationship(
        back_populates="parent", cascade="all, delete-orphan")

class Child(Base):
    __tablename__ = "users_child"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30))
    parent_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users_parent.id"), index=True)
    parent: Mapped[Parent] = relationship(back_populates="children")
""",
    # A key into the metadata of another feature, which a text would not find.
    "abroad": """
from declarative.models import Parent as Other
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

class Base(DeclarativeBase):
    pass

class Parent(Base):
    __tablename__ = "abroad_parent"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30))
    other_id: Mapped[int | None] = mapped_column(ForeignKey(Other.__table__.c.id), index=True)
    children: Mapped[list["Child"]] = relationship(
        back_populates="parent", cascade="all, delete-orphan")

class Child(Base):
    __tablename__ = "abroad_child"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30))
    parent_id: Mapped[int] = mapped_column(ForeignKey(Parent.id), index=True)
    parent: Mapped[Parent] = relationship(back_populates="children")
""",
}

FEATURES = ("departures", *STYLES, "borrowed", "aside=others.tables")

_OTHERS = {
    "theirs/app.py": "raise RuntimeError('an application that is not to be imported')",
    "theirs/models/__init__.py": "",
    "theirs/models/base.py": """
from sqlalchemy.orm import DeclarativeBase

class Base(DeclarativeBase):
    pass
""",
    "theirs/models/shops.py": """
from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship
from theirs.models.base import Base

class Shop(Base):
    __tablename__ = "theirs_shop"
    id: Mapped[int] = mapped_column(primary_key=True)
    town: Mapped[str] = mapped_column(String(30))
    story: Mapped[str] = mapped_column(Text, default="a long one")
    door_token: Mapped[str] = mapped_column(String(30), default="sesame")

class Clerk(Base):
    __tablename__ = "theirs_clerk"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    shop_id: Mapped[int] = mapped_column(
        ForeignKey("theirs_shop.id", ondelete="CASCADE"), index=True)
    shop: Mapped[Shop] = relationship()
""",
    "theirs/models/tests/__init__.py": "raise RuntimeError('tests are not to be imported')",
    "borrowed/__init__.py": "",
    "borrowed/models.py": 'taken_from = "theirs.models"',
    "others/admin.py": "raise RuntimeError('this is no admin of Django')",
    "others/tables.py": """
from sqlalchemy import Column, ForeignKey, Integer, String, Table
from sqlalchemy.orm import declarative_base

Base = declarative_base()

class Note(Base):
    __tablename__ = "others_note"
    id = Column(Integer, primary_key=True)
    text = Column(String(30), nullable=False)

parts = Table("others_part", Base.metadata, Column("id", Integer, primary_key=True),
    info={"external": True})

class Odd(Base):
    __tablename__ = "others_odd"
    __table_args__ = {"info": {"external": True}}
    id = Column(Integer, primary_key=True)
    part = Column(ForeignKey("others_part.id"))
""",
}

_FILES = {
    "__init__.py": "",
    "events.py": """
from dataclasses import dataclass
from {name}.models import Child, Parent
from trivet.events import Publication, feed

@dataclass(frozen=True)
class RowChanged:
    kind: str
    row: str
    old: str

@feed(Parent)
@feed(Child)
def row_changed(change):
    row = f"{{type(change.instance).__name__}} {{change.instance.name}}"
    yield Publication("{name}:rows", RowChanged(change.kind, row, str(change.old.get("name"))))
""",
    "realtime.py": """
from trivet_realtime import channel

@channel("{name}:rows")
def rows() -> bool:
    return True
""",
    "api.py": """
from fastapi import APIRouter
from sqlalchemy import select
from {name}.models import Child, Parent
from trivet_api import Unit, authenticated

router = APIRouter(dependencies=[authenticated])

@router.post("/children/{{parent}}/{{child}}", status_code=201)
async def add(parent: str, child: str, unit: Unit) -> str:
    def work(db, actor):
        found = db.scalars(select(Parent).where(Parent.name == parent)).one()
        db.add(Child(name=child, parent=found))
    await unit.run(work)
    return child
""",
    "admin.py": """
from {name}.models import Child, Parent
from trivet_admin import ModelAdmin, register

@register(Parent, Child)
class RowAdmin(ModelAdmin):
    list_display = ("name",)
    search_fields = ("name",)
""",
}

PROJECT = """
[tool.pytest.ini_options]
trivet_features = [{names}]
pythonpath = ["."]
filterwarnings = ["error", "ignore:The declarative_mixin:DeprecationWarning"]
"""

TESTS = r"""
import html
import re

FEATURES = [{names}]


def form_of(page):
    assert page.status_code == 200, page.text
    inputs = re.findall(r"<input [^>]*>", page.text)
    found = {{}}
    for each in inputs:
        attributes = dict(re.findall(r'([a-z]+)="([^"]*)"', each))
        boxes = attributes.get("type") in ("checkbox", "submit", "button")
        if attributes.get("name") and not (boxes and " checked" not in each):
            found[attributes["name"]] = html.unescape(attributes.get("value", ""))
    return found


def send(client, path, **values):
    data = {{**form_of(client.get(path)), **values}}
    origin = {{"Origin": str(client.base_url).rstrip("/")}}
    sent = client.post(path, data=data, headers=origin, follow_redirects=False)
    assert sent.status_code == 302, re.findall(r'errorlist[^<]*<li>[^<]*', sent.text) or sent.text
    return sent


def key_of(client, path, name):
    listed = client.get(path)
    assert listed.status_code == 200, listed.text
    link = rf'href="{{re.escape(path)}}([^"/]+)/change/[^"]*">{{name}}</a>'
    found = re.findall(link, listed.text)
    assert len(found) == 1, (name, listed.text)
    return found[0]


def change_all(client, feature):
    parents, children = f"/admin/{{feature}}/parent/", f"/admin/{{feature}}/child/"
    send(client, f"{{parents}}add/", name="Ada")
    parent = key_of(client, parents, "Ada")
    send(client, f"{{children}}add/", name="Bob", parent=parent)
    added = client.post(f"/api/{{feature}}/children/Ada/Cid")
    assert added.status_code == 201, added.text
    bob = key_of(client, children, "Bob")
    send(client, f"{{children}}{{bob}}/change/", name="Bert", parent=parent)
    assert "Cid" in client.get(f"{{children}}?q=Cid").text
    send(client, f"{{parents}}{{parent}}/change/", name="Alan")
    send(client, f"{{children}}{{bob}}/delete/", post="yes")
    send(client, f"{{parents}}{{parent}}/delete/", post="yes")
    assert "0 parents" in client.get(parents).text


def test_a_row_is_added_edited_and_deleted_at_every_door(trivet):
    boss = trivet.make_user("boss", is_staff=True, is_superuser=True)
    with trivet.client(user=boss) as client:
        for feature in FEATURES:
            change_all(client, feature)
            require_told(trivet, feature)


def test_somebody_elses_classes_have_pages_by_default(trivet):
    from others.tables import Base, Note

    trivet.run(lambda db: Base.metadata.create_all(db.connection(), [Note.__table__]))
    boss = trivet.make_user("boss", is_staff=True, is_superuser=True)
    clerk = trivet.make_user("clerk", is_staff=True, permissions=["aside.view_note"])
    with trivet.client(user=boss) as client:
        send(client, "/admin/borrowed/shop/add/", town="Ulm", story="a long one")
        listed = client.get("/admin/borrowed/shop/?q=Ulm").text
        assert "1 shop" in listed and "Ulm" in listed
        assert "a long one" not in listed and "sesame" not in listed
        shop = re.search(r'/admin/borrowed/shop/(\d+)/change/', listed)[1]
        send(client, "/admin/borrowed/clerk/add/", name="Eva", shop=shop)
        send(client, f"/admin/borrowed/shop/{{shop}}/delete/", post="yes")
        send(client, "/admin/aside/note/add/", text="seen")
        assert "Aside" in client.get("/admin/").text
        assert client.get("/admin/aside/odd/").status_code == 404
    with trivet.client(user=clerk) as client:
        assert "seen" in client.get("/admin/aside/note/").text
        assert client.get("/admin/borrowed/shop/").status_code == 403
    found = [(each.table, each.kind) for each in trivet.audited() if each.origin == "admin"]
    assert found == [
        ("theirs_shop", "insert"),
        ("theirs_clerk", "insert"),
        ("theirs_clerk", "delete"),
        ("theirs_shop", "delete"),
        ("others_note", "insert"),
    ]


def require_told(trivet, feature):
    told = [each.data for each in trivet.published(f"{{feature}}:rows")]
    assert [(each["kind"], each["row"], each["old"]) for each in told] == [
        ("insert", "Parent Ada", "None"),
        ("insert", "Child Bob", "None"),
        ("insert", "Child Cid", "None"),
        ("update", "Child Bert", "Bob"),
        ("update", "Parent Alan", "Ada"),
        ("delete", "Child Bert", "None"),
        ("delete", "Child Cid", "None"),
        ("delete", "Parent Alan", "None"),
    ]
    entries = [
        (table, each.kind, each.actor, each.origin, each.changes.get("name"))
        for table in ("parent", "child")
        for each in trivet.audited(f"{{feature}}_{{table}}")
    ]
    assert entries == [
        ("parent", "insert", "boss", "admin", {{"to": "Ada"}}),
        ("parent", "update", "boss", "admin", {{"from": "Ada", "to": "Alan"}}),
        ("parent", "delete", "boss", "admin", {{"from": "Alan"}}),
        ("child", "insert", "boss", "admin", {{"to": "Bob"}}),
        ("child", "insert", "boss", "api", {{"to": "Cid"}}),
        ("child", "update", "boss", "admin", {{"from": "Bob", "to": "Bert"}}),
        ("child", "delete", "boss", "admin", {{"from": "Bert"}}),
        ("child", "delete", "boss", "admin", {{"from": "Cid"}}),
    ]
"""


def write_features(folder: Path) -> None:
    """Write one feature for each style, and the tests that each of them has to pass."""
    names = ", ".join(repr(name) for name in STYLES)
    for name, text in _OTHERS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name, models in STYLES.items():
        (folder / name).mkdir()
        (folder / name / "models.py").write_text(models)
        for file, text in _FILES.items():
            (folder / name / file).write_text(text.format(name=name))
    features = ", ".join(f'"{name}"' for name in FEATURES[1:])
    (folder / "pyproject.toml").write_text(PROJECT.format(names=features))
    (folder / "test_bases.py").write_text(TESTS.format(names=names))
