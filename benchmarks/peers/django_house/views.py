"""Plain views."""

import json
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_POST

from benchmarks.peers.django_house.models import ApiKey, Parcel
from benchmarks.peers.keys import is_good, split_bearer

View = Callable[..., HttpResponse]


def find_key(header: str) -> ApiKey | None:
    """The key that a request carries, if it opens anything."""
    prefix, digest = split_bearer(header)
    key = ApiKey.objects.select_related("owner").filter(prefix=prefix).first()
    if key is None or not is_good(
        digest,
        key.digest,
        is_active=key.owner.is_active,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    ):
        return None
    return key


def needs_key(view: View) -> View:
    def checked(request: HttpRequest, **arguments: int) -> HttpResponse:
        if find_key(request.headers.get("authorization", "")) is None:
            return JsonResponse({"code": "bad-credential"}, status=401)
        return view(request, **arguments)

    return checked


def to_json(parcel: Parcel) -> dict[str, object]:
    return {
        "label": parcel.label,
        "depot": parcel.depot,
        "grams": parcel.grams,
        "fragile": parcel.fragile,
        "id": parcel.pk,
    }


@require_GET
def greet(_request: HttpRequest) -> HttpResponse:
    return JsonResponse({"greeting": "hello", "number": 42})


@require_GET
@needs_key
def get_parcel(_request: HttpRequest, parcel_id: int) -> HttpResponse:
    return JsonResponse(to_json(get_object_or_404(Parcel, pk=parcel_id)))


@require_POST
@needs_key
def add_parcel(request: HttpRequest) -> HttpResponse:
    parcel = Parcel.objects.create(**json.loads(request.body))
    return JsonResponse(to_json(parcel), status=201)
