"""Plain views at the root, Django Ninja's below /ninja, Django REST framework's below /rest."""

from django.urls import include, path

from benchmarks.peers.django_house import views
from benchmarks.peers.django_house.ninja_api import api
from benchmarks.peers.django_house.rest_api import router

urlpatterns = [
    path("greeting", views.greet),
    path("parcels/<int:parcel_id>", views.get_parcel),
    path("parcels", views.add_parcel),
    path("ninja/", api.urls),
    path("rest/", include(router.urls)),
]
