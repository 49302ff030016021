from typing import Any

from django.contrib import admin
from import_export.admin import ImportExportModelAdmin  # type: ignore[import-untyped]  # it has no types

from tests.joined.polls.models import Choice, Question, Survey, Tag, Token


class ChoiceInline(admin.TabularInline):  # type: ignore[type-arg]  # a class for all of it at run time
    model = Choice
    extra = 0


@admin.register(Question)
class QuestionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # likewise
    list_display = ("text", "is_open", "author")
    list_editable = ("is_open",)
    list_filter = ("is_open", "tags")
    search_fields = ("text",)
    inlines = (ChoiceInline,)
    actions = ("close",)

    @admin.action(description="Close questions")
    def close(self, _request: Any, queryset: Any) -> None:
        queryset.update(is_open=False)


@admin.register(Tag)
class TagAdmin(ImportExportModelAdmin):  # type: ignore[misc]  # it has no types
    list_display = ("name", "weight")


admin.site.register([Survey, Token])
