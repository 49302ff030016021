"""Below /admin. The prefix is the mount's, and Django learns it from the scope."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("", admin.site.urls)]

handler400 = "trivet_admin.site.pages.bad_request"
handler403 = "trivet_admin.site.pages.permission_denied"
handler404 = "trivet_admin.site.pages.page_not_found"
handler500 = "trivet_admin.site.pages.server_error"
