"""Plain views at the root, Django Ninja's below /ninja."""

from django.urls import path

from benchmarks.peers.django_house import views
from benchmarks.peers.django_house.ninja_api import api

urlpatterns = [
    path("greeting", views.greet),
    path("parcels/<int:parcel_id>", views.get_parcel),
    path("parcels", views.add_parcel),
    path("ninja/", api.urls),
]
