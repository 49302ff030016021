"""Refusals and faults of Django's views."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from tests.deploy.mishaps.models import Mishap
from trivet_admin import ModelAdmin, register


@csrf_exempt
def lost(request: HttpRequest) -> HttpResponse:
    raise LookupError(f"lost in a view by {request.method}")


def refused(_request: HttpRequest, status: int) -> HttpResponse:
    return HttpResponse("no", status=status)


@register(Mishap)
class MishapAdmin(ModelAdmin):
    def get_urls(self) -> Any:
        return [
            path("lost/", lost, name="mishaps_lost"),
            path("refused/<int:status>/", refused, name="mishaps_refused"),
            *super().get_urls(),
        ]
