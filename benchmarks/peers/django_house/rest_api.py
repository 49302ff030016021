"""The same by Django REST framework."""

# mypy: disable-error-code="import-untyped, misc, type-arg"
# Django REST framework ships no types, so all that is derived from it is an Any.

from typing import Any

from rest_framework import serializers, viewsets
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.routers import SimpleRouter

from benchmarks.peers.django_house.models import Parcel
from benchmarks.peers.django_house.views import find_key


class Holder:
    """Whoever holds a key."""

    is_authenticated = True


class ByKey(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Holder, Any]:
        key = find_key(request.headers.get("authorization", ""))
        if key is None:
            raise AuthenticationFailed
        return Holder(), key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ParcelSerializer(serializers.ModelSerializer):
    class Meta:
        model = Parcel
        fields = ("label", "depot", "grams", "fragile", "id")


class Pages(CursorPagination):
    page_size = 50
    ordering = "id"


class ParcelViewSet(viewsets.ModelViewSet):
    queryset = Parcel.objects.all()
    serializer_class = ParcelSerializer
    pagination_class = Pages
    authentication_classes = (ByKey,)
    permission_classes = (IsAuthenticated,)
    renderer_classes = (JSONRenderer,)


router = SimpleRouter(trailing_slash=False)
router.register("parcels", ParcelViewSet)
