"""Below /admin. The prefix is the mount's, and Django learns it from the scope."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("", admin.site.urls)]

handler500 = "trivet_admin.site.pages.server_error"
