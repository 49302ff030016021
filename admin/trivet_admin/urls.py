"""The site's addresses that Django answers: the admin's, and those of joined applications.

They stand here with their prefixes, as they do in the browser, so that ``reverse()`` finds each of
them from everywhere, also outside of a request. The mounts give requests to Django as if there
were none (`trivet_admin.mount`).
"""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    *(path(f"{prefix[1:]}/", include(conf)) for prefix, conf in settings.TRIVET_URLS.items()),
]

handler400 = "trivet_admin.joined.error_pages.bad_request"
handler403 = "trivet_admin.joined.error_pages.permission_denied"
handler404 = "trivet_admin.joined.error_pages.page_not_found"
handler500 = "trivet_admin.joined.error_pages.server_error"
