"""The pages of live connections: all of them, one of them, and the end of some.

The processes are asked when a page is opened (`trivet.delivery.connections`), and for no longer
than a second. A process that has not answered by then is named.
"""

from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.transaction import on_commit
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from trivet import Platform
from trivet.delivery.connection_states import ConnectionsRequest, ConnectionState
from trivet.delivery.connections import ConnectionsOverview, find_connections
from trivet.delivery.recorded_controls import record_disconnect
from trivet_admin import runtime
from trivet_admin.connections.model import Connection
from trivet_admin.connections.rows import (
    channel_row,
    connection_row,
    names_of,
    process_row,
    subscription_row,
)
from trivet_admin.unit import unit_session

PATTERN_CHARACTERS = 255
"""Of a filter, as of a channel."""


class ConnectionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no parameters at run time
    """Connections, which have no rows: every page is a view of its own."""

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        name = "trivet_connection_{}".format
        return [
            path("", wrap(require_safe(self.list_page)), name=name("changelist")),
            path(
                "user/<int:user>/disconnect/", wrap(self.disconnect_user), name=name("disconnect")
            ),
            path("<str:client>/", wrap(require_safe(self.one_page)), name=name("change")),
            path("<str:client>/disconnect/", wrap(self.disconnect_client), name=name("disconnect")),
        ]

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_disconnect_permission(self, request: HttpRequest) -> bool:
        """Whether the visitor may end connections: those are shown first."""
        may: Any = request.user
        has_it = may.has_perm("trivet.disconnect_connection")
        return has_it and self.has_view_permission(request)

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """The processes, the connections and the channels, as far as the filters let them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = request.GET.get("user", "").strip()[:PATTERN_CHARACTERS]
        channel = request.GET.get("channel", "").strip()[:PATTERN_CHARACTERS]
        user = _number_of(asked)
        found = None
        if user is not None:
            found = _ask(ConnectionsRequest(user=user, channel=channel))
        return self._render(
            request,
            "connections.html",
            "Live connections",
            found,
            asked_user=asked,
            asked_channel=channel,
            is_filtered=bool(asked or channel),
            is_unknown=user is None,
            processes=[process_row(each) for each in found.processes] if found else (),
            connections=_connection_rows(found),
            channels=[channel_row(each) for each in found.channels] if found else (),
            shows_channels=not asked,
        )

    def one_page(self, request: HttpRequest, client: str) -> HttpResponse:
        """One connection, with all of its subscriptions."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = _ask(ConnectionsRequest(client=client))
        if not found.connections:
            return self._gone(request, found)
        (connection,) = found.connections[:1]
        process = next(each for each in found.processes if each.node == connection.node)
        return self._render(
            request,
            "connection.html",
            _title_of(connection),
            found,
            connection=_connection_rows(found)[0],
            process=process_row(process),
            subscriptions=[subscription_row(each, found.tops) for each in connection.channels],
        )

    def disconnect_client(self, request: HttpRequest, client: str) -> HttpResponse:
        """Ask whether one connection is to be ended, and end it."""
        self._require_disconnect(request)
        if request.method == "POST":
            user = request.POST.get("user", "")
            return self._disconnect(request, user if _is_number(user) else "", client)
        found = _ask(ConnectionsRequest(client=client))
        if not found.connections:
            return self._gone(request, found)
        (connection,) = found.connections[:1]
        return self._render(
            request,
            "disconnect.html",
            "Disconnect this connection?",
            found,
            connections=_connection_rows(found),
            owner=connection.user,
            owner_name=connection.username,
            client=client,
        )

    def disconnect_user(self, request: HttpRequest, user: int) -> HttpResponse:
        """Ask whether all connections of a user are to be ended, and end them."""
        self._require_disconnect(request)
        if request.method == "POST":
            return self._disconnect(request, str(user))
        username = get_user_model().objects.filter(pk=user).values_list("username", flat=True)
        if not username:
            raise Http404
        found = _ask(ConnectionsRequest(user=str(user)))
        return self._render(
            request,
            "disconnect.html",
            f"Disconnect all connections of {username[0]}?",
            found,
            owner=str(user),
            owner_name=username[0],
            connections=_connection_rows(found),
        )

    def _require_disconnect(self, request: HttpRequest) -> None:
        if not self.has_disconnect_permission(request):
            raise PermissionDenied

    def _disconnect(self, request: HttpRequest, user: str, client: str = "") -> HttpResponse:
        platform = _platform()
        control = record_disconnect(unit_session(request), user, client)
        on_commit(lambda: platform.broker.publish(control))
        what = "The connection was" if client else "All connections of the user were"
        messages.success(request, f"{what} told to end, in every process.")
        return HttpResponseRedirect(reverse("admin:trivet_connection_changelist"))

    def _gone(self, request: HttpRequest, found: ConnectionsOverview) -> HttpResponse:
        response = self._render(request, "connection_gone.html", "No such connection", found)
        response.status_code = 404
        return response

    def _render(
        self,
        request: HttpRequest,
        template: str,
        title: str,
        found: ConnectionsOverview | None,
        **context: Any,
    ) -> TemplateResponse:
        here = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "found": found,
            "is_shared": _platform().broker.state.is_shared,
            "may_disconnect": self.has_disconnect_permission(request),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, f"trivet_admin/{template}", {**here, **context})


def _platform() -> Platform:
    platform = runtime.find_platform()
    if platform is None:
        raise Http404  # Django's own test client: no process has sockets
    return platform


def _ask(request: ConnectionsRequest) -> ConnectionsOverview:
    platform = _platform()
    return async_to_sync(find_connections)(platform.surveys, platform.database, request)


def _connection_rows(found: ConnectionsOverview | None) -> list[dict[str, Any]]:
    if found is None:
        return []
    names = names_of(found.processes)
    return [connection_row(each, names) for each in found.connections]


def _number_of(asked: str) -> str | None:
    """The number of the user of this name or number; empty for all, None if there is no such."""
    if not asked:
        return ""
    found = get_user_model().objects.filter(username=asked).values_list("pk", flat=True).first()
    if found is not None:
        return str(found)
    return asked if _is_number(asked) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _title_of(connection: ConnectionState) -> str:
    return f"Connection of {connection.username}" if connection.user else "Connection of nobody"


admin.site.register(Connection, ConnectionAdmin)
