"""The same by Django Ninja."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import NinjaAPI, Schema
from ninja.security import HttpBearer

from benchmarks.peers.django_house.models import ApiKey, Parcel
from benchmarks.peers.django_house.views import find_key


class ByKey(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        return find_key(f"Bearer {token}")


class ParcelIn(Schema):
    label: str
    depot: str
    grams: int
    fragile: bool


class ParcelOut(ParcelIn):
    id: int


api = NinjaAPI(auth=ByKey(), openapi_url=None)


@api.get("/parcels/{parcel_id}", response=ParcelOut)
def get_parcel(request: HttpRequest, parcel_id: int) -> Parcel:
    return get_object_or_404(Parcel, pk=parcel_id)


@api.post("/parcels", response={201: ParcelOut})
def add_parcel(request: HttpRequest, parcel: ParcelIn) -> tuple[int, Parcel]:
    return 201, Parcel.objects.create(**parcel.dict())
