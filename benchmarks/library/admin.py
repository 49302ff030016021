"""The admin that is measured. The peer's has the same options (`peers.django_admin.admin`)."""

from benchmarks.library.models import Author, Book, Loan, Shelf, Subject
from trivet_admin import ModelAdmin, TabularInline, register


class LoanInline(TabularInline):
    model = Loan
    extra = 1


@register(Book)
class BookAdmin(ModelAdmin):
    list_display = ("title", "author", "shelf", "pages", "price", "lent_out", "added")
    list_select_related = ("author", "shelf")
    list_filter = ("shelf", "lent_out", "subjects")
    search_fields = ("title", "=isbn")
    ordering = ("id",)
    autocomplete_fields = ("author",)
    filter_horizontal = ("subjects",)
    inlines = (LoanInline,)


@register(Author)
class AuthorAdmin(ModelAdmin):
    search_fields = ("name",)


@register(Shelf, Subject)
class PlainAdmin(ModelAdmin):
    pass
