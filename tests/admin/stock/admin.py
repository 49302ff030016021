from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from tests.admin.stock import services
from tests.admin.stock.models import Category, Guest, Item, Specimen, Supplier, Tag
from trivet import Conflict, Invalid
from trivet.errors import InputError
from trivet_admin import ModelAdmin, TabularInline, actor_of, register, unit_session


class ItemInline(TabularInline):
    model = Item
    fk_name = "category"
    fields = ("name", "quantity")
    extra = 0


@register(Category)
class CategoryAdmin(ModelAdmin):
    list_display = ("code", "name")
    inlines = (ItemInline,)


@register(Item)
class ItemAdmin(ModelAdmin):
    list_display = ("shelf", "category", "quantity", "sku")
    list_editable = ("quantity",)
    list_filter = ("category", "tags")
    search_fields = ("name", "sku", "category__name")
    ordering = ("id",)
    fields = ("name", "sku", "quantity", "category", "supplier", "parent", "keeper", "tags")
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
    pass
