"""Ferries in the admin, with a page of its own that tells the server."""

from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path

from tests.deploy.replicas.ferries.models import Ferry
from tests.deploy.replicas.ferries.services import STAMP
from trivet_admin import ModelAdmin, register


@register(Ferry)
class FerryAdmin(ModelAdmin):
    list_display = ("name",)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.see)
        return [path("see/", view, name="ferries_see"), *super().get_urls()]

    def see(self, request: HttpRequest) -> JsonResponse:
        """The ports of the servers that answered, before and after what the query asks for."""
        ports = [_port()]
        names = [each.name for each in self.model.objects.all()]
        match request.GET.get("do"):
            case "stamp":
                with connection.cursor() as cursor:
                    cursor.execute(STAMP)
                    assert cursor.fetchone() is not None
            case "write":
                with transaction.atomic():
                    self.model.objects.create(name=request.GET["name"])
            case "touch":
                with connection.cursor() as cursor:
                    cursor.execute(_TOUCH)
            case "session":
                names.append(str(request.session.get("_auth_user_id")))
            case "iterate":
                rows = self.model.objects.order_by("name").iterator(chunk_size=1)
                names = [next(rows).name]
                with transaction.atomic():
                    ports.append(_port())
                names += [each.name for each in rows]
            case _:
                pass
        return JsonResponse({"ports": [*ports, _port()], "names": names})


_TOUCH = "INSERT INTO django_content_type (app_label, model) VALUES ('ferries', 'of_nobody')"


def _port() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT inet_server_port()")
        return int(cursor.fetchone()[0])
