"""Items in categories, with suppliers, tags, parts, and a user who keeps them."""

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CHAR,
    REAL,
    BigInteger,
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from trivet import Conflict, Model, User, Versioned
from trivet.models.types import BigKey, JsonDocument


class Colour(enum.Enum):
    """Not a str: the mirror has to know members and values apart."""

    RED = "red"
    DARK_BLUE = "dark-blue"


class Size(enum.StrEnum):
    SMALL = "S"
    LARGE = "L"


def by_value(values: type[enum.Enum], *, native: bool) -> Enum:
    return Enum(values, native_enum=native, values_callable=lambda e: [m.value for m in e])


item_tag = Table(
    "stock_item_tag",
    Model.metadata,
    Column("item_id", ForeignKey("stock_item.id"), primary_key=True),
    Column("tag_id", ForeignKey("stock_tag.id"), primary_key=True),
)


item_watcher = Table(
    "stock_item_watcher",
    Model.metadata,
    Column("item_id", ForeignKey("stock_item.id"), primary_key=True),
    Column("user_id", ForeignKey(User.id), primary_key=True),
)


class Tag(Model):
    __tablename__ = "stock_tag"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(30), unique=True)
    items: Mapped[list["Item"]] = relationship(secondary=item_tag, back_populates="tags")

    def __str__(self) -> str:
        return self.name


class Category(Model):
    """Its items go with it."""

    __tablename__ = "stock_category"

    code: Mapped[str] = mapped_column(String(10), primary_key=True)
    name: Mapped[str] = mapped_column(String(30))
    items: Mapped[list["Item"]] = relationship(
        back_populates="category", cascade="all, delete-orphan"
    )
    badges: Mapped[list["Badge"]] = relationship(back_populates="category")

    def __str__(self) -> str:
        return f"category {self.code}"


class Supplier(Model):
    """Its items stay without it."""

    __tablename__ = "stock_supplier"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(30))
    items: Mapped[list["Item"]] = relationship(back_populates="supplier")

    def __str__(self) -> str:
        return self.name


class Item(Versioned, Model):
    __tablename__ = "stock_item"
    __table_args__ = (
        UniqueConstraint("category_id", "name"),
        CheckConstraint("quantity >= 0", name="quantity_not_negative"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(30), comment="As it stands on the shelf.")
    sku: Mapped[str | None] = mapped_column(String(20), unique=True)
    quantity: Mapped[int] = mapped_column(default=0)
    category_id: Mapped[str] = mapped_column(ForeignKey(Category.code))
    supplier_id: Mapped[int | None] = mapped_column(ForeignKey(Supplier.id, ondelete="SET NULL"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("stock_item.id"))
    keeper_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))

    category: Mapped[Category] = relationship(back_populates="items")
    supplier: Mapped[Supplier | None] = relationship(back_populates="items")
    parent: Mapped["Item | None"] = relationship(back_populates="parts", remote_side="Item.id")
    parts: Mapped[list["Item"]] = relationship(
        back_populates="parent", cascade="all, delete-orphan", single_parent=True
    )
    tags: Mapped[list[Tag]] = relationship(secondary=item_tag, back_populates="items")
    keeper: Mapped[User | None] = relationship(User)
    watchers: Mapped[list[User]] = relationship(User, secondary=item_watcher)

    @validates("name")
    def _check_name(self, _key: str, name: str) -> str:
        if name.lower().startswith("forbidden"):
            raise ValueError(f"'{name}' may not be sold")
        return name.strip().capitalize()

    @property
    def shelf(self) -> str:
        return f"{self.category_id}/{self.name}"

    def __str__(self) -> str:
        return self.shelf


class Guest(Model):
    """Everything that can be wrong with a value; its validator fails in every way."""

    __tablename__ = "stock_guest"
    __table_args__ = (
        Index("uq_stock_guest_person", "name", "email", unique=True),
        CheckConstraint("beds + cots <= 6", name="six_fit", info={"label": "six people a room"}),
        CheckConstraint("length(code) > 1", name="code_long"),
        CheckConstraint("cots  >= 0"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(30))
    email: Mapped[str] = mapped_column(String(40), default="")
    code: Mapped[str] = mapped_column(String(5), default="none", info={"label": "door code"})
    beds: Mapped[int] = mapped_column(default=1)
    cots: Mapped[int] = mapped_column(default=0)
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2), default=Decimal(1))
    host_id: Mapped[int | None] = mapped_column(ForeignKey("stock_guest.id"))
    tag_name: Mapped[str | None] = mapped_column(ForeignKey("stock_tag.name"))

    @validates("price")
    def _check_price(self, _key: str, price: Any) -> Any:
        if price < 0:
            raise ValueError("a price is not negative")
        assert price != 13, "thirteen brings bad luck"
        assert price != 14
        if price == 15:
            raise TypeError("fifteen is no price")
        if price == 16:
            raise Conflict("sixteen", "Sixteen is taken.")
        if price == 17:
            raise LookupError("a bug")
        return price


class Badge(Versioned, Model):
    """Issued, changed and withdrawn by services alone; its rules stand in rules.py."""

    __tablename__ = "stock_badge"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    holder: Mapped[str] = mapped_column(String(30), unique=True)
    level: Mapped[int] = mapped_column(default=1)
    is_lost: Mapped[bool] = mapped_column(default=False)
    category_id: Mapped[str | None] = mapped_column(ForeignKey(Category.code))
    history: Mapped[str] = mapped_column(Text, default="", deferred=True)

    category: Mapped[Category | None] = relationship(back_populates="badges")


class Ledger(Model):
    """Two columns make its key. It has a mirror, and no page."""

    __tablename__ = "stock_ledger"

    year: Mapped[int] = mapped_column(primary_key=True)
    page: Mapped[int] = mapped_column(primary_key=True)


class Specimen(Model):
    """A column of every type that the mirror knows."""

    __tablename__ = "stock_specimen"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    instant: Mapped[dt.datetime]
    time: Mapped[dt.time | None]
    span: Mapped[dt.timedelta | None]
    document: Mapped[dict[str, Any] | None]
    day: Mapped[dt.date | None]
    big: Mapped[int | None] = mapped_column(BigInteger)
    ratio: Mapped[float | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))
    checked: Mapped[bool] = mapped_column(default=False)
    notes: Mapped[str] = mapped_column(Text, default="")
    blob: Mapped[bytes | None] = mapped_column(LargeBinary)
    colour: Mapped[Colour | None] = mapped_column(by_value(Colour, native=True))
    size: Mapped[Size] = mapped_column(default=Size.SMALL)
    class_: Mapped[str | None] = mapped_column("class", String(10))
    created_by: Mapped[str] = mapped_column(String(20), server_default="the database")
    touched: Mapped[int] = mapped_column(default=0, onupdate=lambda: 7)
    double: Mapped[int | None] = mapped_column(BigInteger, server_default=func.length("four"))


class Sample(Model):
    """A column of every type and size of which a bound is promised."""

    __tablename__ = "stock_sample"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    small: Mapped[int | None] = mapped_column(SmallInteger)
    whole: Mapped[int | None]
    big: Mapped[int | None] = mapped_column(BigInteger)
    ratio: Mapped[float | None]
    single: Mapped[float | None] = mapped_column(REAL)
    price: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))
    wide: Mapped[Decimal | None] = mapped_column(Numeric(24, 4))
    word: Mapped[str | None] = mapped_column(String(10))
    code: Mapped[str | None] = mapped_column(CHAR(3))
    notes: Mapped[str | None] = mapped_column(Text)
    flag: Mapped[bool | None]
    instant: Mapped[dt.datetime | None]
    day: Mapped[dt.date | None]
    time: Mapped[dt.time | None]
    span: Mapped[dt.timedelta | None]
    document: Mapped[Any] = mapped_column(JsonDocument, nullable=True)
    blob: Mapped[bytes | None] = mapped_column(LargeBinary)
    token: Mapped[uuid.UUID | None]
    colour: Mapped[Colour | None]
    size: Mapped[Size] = mapped_column(default="S")
    rate: Mapped[Decimal] = mapped_column(Numeric(6, 3), default=lambda: 1)
