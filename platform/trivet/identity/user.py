"""The user as a mapped class, so that a feature's classes can have an author, an owner, members.

Django keeps the users: its forms, commands and login write them, and nobody else. This class reads
the same table, so the ORM can join it and load it. What a session would write to it is refused in
the flush.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Mapped

from trivet.identity.django_tables import users
from trivet.models.base import Model


class User(Model):
    """Somebody who may log in, to be read and referred to::

        author_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
        author: Mapped[User] = relationship()

    Users are made and changed in the admin, by `trivet users` or by Django's model. The hash of the
    password is no attribute of this class.
    """

    __table__ = users
    __mapper_args__ = {"exclude_properties": ["password"]}  # noqa: RUF012  # SQLAlchemy has its type

    if TYPE_CHECKING:  # the table has the columns
        id: Mapped[int]
        username: Mapped[str]
        email: Mapped[str]
        first_name: Mapped[str]
        last_name: Mapped[str]
        is_active: Mapped[bool]
        is_staff: Mapped[bool]
        is_superuser: Mapped[bool]
        last_login: Mapped[datetime | None]
        date_joined: Mapped[datetime]

    def __str__(self) -> str:
        return self.username
