"""The mapped classes of the shop, as SQLAlchemy 1.x wrote them.

Columns are called in Python as Python calls things, and in the database as its published
description calls them.
"""

from sqlalchemy import Column, DateTime, ForeignKey, Integer, Numeric, Unicode
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import backref, declarative_base, relationship

Base = declarative_base()
Moment = DateTime().with_variant(sqlite.DATETIME(truncate_microseconds=True), "sqlite")


class Artist(Base):
    __tablename__ = "Artist"

    artist_id = Column("ArtistId", Integer, primary_key=True)
    name = Column("Name", Unicode(120))

    def __str__(self) -> str:
        return f"{self.name}"


class Album(Base):
    __tablename__ = "Album"

    album_id = Column("AlbumId", Integer, primary_key=True)
    title = Column("Title", Unicode(160), nullable=False)
    artist_id = Column(
        "ArtistId", Integer, ForeignKey("Artist.ArtistId"), nullable=False, index=True
    )
    artist = relationship(Artist, backref="albums")

    def __str__(self) -> str:
        return f"{self.title}"


class Genre(Base):
    __tablename__ = "Genre"

    genre_id = Column("GenreId", Integer, primary_key=True)
    name = Column("Name", Unicode(120))

    def __str__(self) -> str:
        return f"{self.name}"


class MediaType(Base):
    __tablename__ = "MediaType"

    media_type_id = Column("MediaTypeId", Integer, primary_key=True)
    name = Column("Name", Unicode(120))

    def __str__(self) -> str:
        return f"{self.name}"


class Track(Base):
    __tablename__ = "Track"

    track_id = Column("TrackId", Integer, primary_key=True)
    name = Column("Name", Unicode(200), nullable=False)
    album_id = Column("AlbumId", Integer, ForeignKey("Album.AlbumId"), index=True)
    media_type_id = Column(
        "MediaTypeId", Integer, ForeignKey("MediaType.MediaTypeId"), nullable=False, index=True
    )
    genre_id = Column("GenreId", Integer, ForeignKey("Genre.GenreId"), index=True)
    composer = Column("Composer", Unicode(220))
    milliseconds = Column("Milliseconds", Integer, nullable=False)
    bytes = Column("Bytes", Integer)
    unit_price = Column("UnitPrice", Numeric(10, 2), nullable=False)
    album = relationship(Album, backref="tracks")
    media_type = relationship(MediaType, backref="tracks")
    genre = relationship(Genre, backref="tracks")

    def __str__(self) -> str:
        return f"{self.name}"


class Playlist(Base):
    __tablename__ = "Playlist"

    playlist_id = Column("PlaylistId", Integer, primary_key=True)
    name = Column("Name", Unicode(120))

    def __str__(self) -> str:
        return f"{self.name}"


class PlaylistTrack(Base):
    __tablename__ = "PlaylistTrack"

    playlist_id = Column(
        "PlaylistId", Integer, ForeignKey("Playlist.PlaylistId"), primary_key=True, index=True
    )
    track_id = Column("TrackId", Integer, ForeignKey("Track.TrackId"), primary_key=True, index=True)
    playlist = relationship(Playlist, backref=backref("entries", cascade="all, delete-orphan"))
    track = relationship(Track, backref=backref("entries", cascade="all, delete-orphan"))

    def __str__(self) -> str:
        return f"{self.track} on {self.playlist}"


class Employee(Base):
    __tablename__ = "Employee"

    employee_id = Column("EmployeeId", Integer, primary_key=True)
    last_name = Column("LastName", Unicode(20), nullable=False)
    first_name = Column("FirstName", Unicode(20), nullable=False)
    title = Column("Title", Unicode(30))
    reports_to = Column("ReportsTo", Integer, ForeignKey("Employee.EmployeeId"), index=True)
    birth_date = Column("BirthDate", Moment)
    hire_date = Column("HireDate", Moment)
    address = Column("Address", Unicode(70))
    city = Column("City", Unicode(40))
    state = Column("State", Unicode(40))
    country = Column("Country", Unicode(40))
    postal_code = Column("PostalCode", Unicode(10))
    phone = Column("Phone", Unicode(24))
    fax = Column("Fax", Unicode(24))
    email = Column("Email", Unicode(60))
    manager = relationship("Employee", remote_side=[employee_id], backref="team")

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}"


class Customer(Base):
    __tablename__ = "Customer"

    customer_id = Column("CustomerId", Integer, primary_key=True)
    first_name = Column("FirstName", Unicode(40), nullable=False)
    last_name = Column("LastName", Unicode(20), nullable=False)
    company = Column("Company", Unicode(80))
    address = Column("Address", Unicode(70))
    city = Column("City", Unicode(40))
    state = Column("State", Unicode(40))
    country = Column("Country", Unicode(40))
    postal_code = Column("PostalCode", Unicode(10))
    phone = Column("Phone", Unicode(24))
    fax = Column("Fax", Unicode(24))
    email = Column("Email", Unicode(60), nullable=False)
    support_rep_id = Column("SupportRepId", Integer, ForeignKey("Employee.EmployeeId"), index=True)
    support_rep = relationship(Employee, backref="customers")

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}"


class Invoice(Base):
    __tablename__ = "Invoice"

    invoice_id = Column("InvoiceId", Integer, primary_key=True)
    customer_id = Column(
        "CustomerId", Integer, ForeignKey("Customer.CustomerId"), nullable=False, index=True
    )
    invoice_date = Column("InvoiceDate", Moment, nullable=False)
    billing_address = Column("BillingAddress", Unicode(70))
    billing_city = Column("BillingCity", Unicode(40))
    billing_state = Column("BillingState", Unicode(40))
    billing_country = Column("BillingCountry", Unicode(40))
    billing_postal_code = Column("BillingPostalCode", Unicode(10))
    total = Column("Total", Numeric(10, 2), nullable=False)
    customer = relationship(Customer, backref="invoices")

    def __str__(self) -> str:
        return f"Invoice {self.invoice_id}"


class InvoiceLine(Base):
    __tablename__ = "InvoiceLine"

    invoice_line_id = Column("InvoiceLineId", Integer, primary_key=True)
    invoice_id = Column(
        "InvoiceId", Integer, ForeignKey("Invoice.InvoiceId"), nullable=False, index=True
    )
    track_id = Column("TrackId", Integer, ForeignKey("Track.TrackId"), nullable=False, index=True)
    unit_price = Column("UnitPrice", Numeric(10, 2), nullable=False)
    quantity = Column("Quantity", Integer, nullable=False)
    invoice = relationship(Invoice, backref=backref("lines", cascade="all, delete-orphan"))
    track = relationship(Track, backref="lines")

    def __str__(self) -> str:
        return f"{self.quantity} x {self.track}"
