from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import F
from django.http import HttpRequest
from sqlalchemy.orm import Session

from tests.admin.stock import services, steps
from tests.admin.stock.models import Badge, Category, Guest, Item, Sample, Specimen, Supplier, Tag
from trivet import Conflict, Invalid
from trivet.data.unit_of_work import UnitOfWork
from trivet.errors import InputError
from trivet_admin import ModelAdmin, TabularInline, actor_of, register, unit_session


class ItemInline(TabularInline):
    model = Item
    fk_name = "category"
    fields = ("name", "quantity")
    extra = 0


class BadgeInline(TabularInline):
    model = Badge
    fields = ("holder", "level", "is_lost")
    extra = 0


@register(Category)
class CategoryAdmin(ModelAdmin):
    list_display = ("code", "name")
    inlines = (ItemInline, BadgeInline)


@register(Item)
class ItemAdmin(ModelAdmin):
    list_display = ("shelf", "category", "quantity", "sku")
    list_editable = ("quantity",)
    list_filter = ("category", "tags")
    search_fields = ("name", "sku", "category__name")
    ordering = ("id",)
    fields = (
        "name",
        "sku",
        "quantity",
        "category",
        "supplier",
        "parent",
        "keeper",
        "tags",
        "watchers",
    )
    actions = ("take_one_out",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if obj.quantity == 13:
            fault: InputError = {"pointer": "/quantity", "detail": "Thirteen brings bad luck."}
            raise Invalid("unlucky", "This cannot be.", errors=[fault])
        if obj.quantity == 14:
            raise Conflict("full", "The shelf is full.")

    @admin.action(description="Take one out", permissions=["change"])
    def take_one_out(self, request: HttpRequest, queryset: Any) -> None:
        for item in queryset.order_by("id"):
            services.take_out(unit_session(request), actor_of(request), item.pk, 1)
        self.message_user(request, "Taken out.")


@register(Badge)
class BadgeAdmin(ModelAdmin):
    """Writes rows itself: rules stand in its way."""

    list_display = ("id", "holder", "level", "is_lost")
    list_editable = ("holder", "level")
    ordering = ("id",)
    fields = ("holder", "level", "is_lost", "category")
    actions = ("promote", "promote_all")

    @admin.action(description="Promote")
    def promote(self, request: HttpRequest, queryset: Any) -> None:
        for badge in queryset.order_by("id"):
            badge.level += 1
            badge.save()

    @admin.action(description="Promote at once")
    def promote_all(self, request: HttpRequest, queryset: Any) -> None:
        queryset.update(level=F("level") + 2)


class ServedBadgeAdmin(BadgeAdmin):
    """Saves through services; a test registers it."""

    def save_with(
        self, unit: UnitOfWork[Session], key: Any | None, changes: Mapping[str, Any]
    ) -> Any:
        if key is None:
            return unit.run(services.issue_badge, changes)
        return unit.run(services.change_badge, key, changes)

    def delete_with(self, unit: UnitOfWork[Session], key: Any) -> None:
        unit.run(services.withdraw_badge, key)


@register(Guest)
class GuestAdmin(ModelAdmin):
    list_display = ("name", "beds", "price")
    list_editable = ("beds", "price")
    ordering = ("id",)


@register(Supplier)
class SupplierAdmin(ModelAdmin):
    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        if obj.name == "Eternal":
            raise Conflict("eternal", "This supplier is eternal.")


@register(Tag, Specimen)
class PlainAdmin(ModelAdmin):
    def get_urls(self) -> Any:
        more = steps.urls if self.model._meta.model_name == "tag" else []
        return [*more, *super().get_urls()]


@register(Sample)
class SampleAdmin(ModelAdmin):
    list_display = tuple(column.key for column in Sample.__table__.columns)
