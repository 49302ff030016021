from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Mapper

from tests.admin.assorted.models import Assorted, Habit, Owner, Pet, PostgresAssorted
from trivet_admin import ModelAdmin, register


def columns_of(mapped: type[Any]) -> tuple[str, ...]:
    mapper: Mapper[Any] = inspect(mapped)
    return tuple(column.key for column in mapper.column_attrs)


@register(Assorted)
class AssortedAdmin(ModelAdmin):
    list_display = columns_of(Assorted)
    list_filter = (
        *("aware", "wall", "berlin", "by_name", "by_value", "word_of_list", "yes_no", "level"),
        *("span", "number", "token", "document", "zoned", "epoch", "cents", "pickled"),
    )
    search_fields = columns_of(Assorted)
    date_hierarchy = "wall"
    ordering = ("id",)


@register(Habit)
class HabitAdmin(ModelAdmin):
    list_display = ("title", "parent")


@register(Owner)
class OwnerAdmin(ModelAdmin):
    list_display = ("id", "name")


@register(Pet)
class PetAdmin(ModelAdmin):
    list_display = ("name", "born", "owner")
    list_filter = ("owner",)
    list_select_related = ("owner",)


def register_postgres() -> None:
    """For databases that have its types; a start on another one would refuse it."""

    @register(PostgresAssorted)
    class PostgresAssortedAdmin(ModelAdmin):
        list_display = columns_of(PostgresAssorted)
        list_filter = ("whole_array", "day_range", "inet", "jsonb")
        search_fields = columns_of(PostgresAssorted)
        ordering = ("id",)
