"""The options of `benchmarks.library.admin`."""

from django.contrib import admin

from benchmarks.peers.django_admin.models import Author, Book, Loan, Shelf, Subject


class LoanInline(admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = Loan
    extra = 1


@admin.register(Book)
class BookAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = ("title", "author", "shelf", "pages", "price", "lent_out", "added")
    list_select_related = ("author", "shelf")
    list_filter = ("shelf", "lent_out", "subjects")
    search_fields = ("title", "=isbn")
    ordering = ("id",)
    autocomplete_fields = ("author",)
    filter_horizontal = ("subjects",)
    inlines = (LoanInline,)


@admin.register(Author)
class AuthorAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    search_fields = ("name",)


admin.site.register([Shelf, Subject])
