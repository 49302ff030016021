"""The audited changes of an object, for its history page.

Django imports this for the first template that is rendered, which may be while other modules are
still imported: what needs models is imported inside.
"""

from typing import Any

from django import template
from django.db.models import Model, Value
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from trivet.audit.summary import read_changes
from trivet_admin.audit.visibility import is_visible, mask
from trivet_admin.mirror.shape import has_whole_table, table_name_of

register = template.Library()

SHOWN = 50
"""How many entries a history page shows; the list has all of them."""


@register.simple_tag
def audit_history(request: HttpRequest, shown: Model) -> dict[str, Any]:
    """The changes of `shown`, newest first; empty for a user who may not read the audit trail."""
    from trivet.audit import AuditEntry
    from trivet_admin.audit.admin import verb_of, who_made
    from trivet_admin.mirror.hierarchy import other_tables_of
    from trivet_admin.mirror.registry import mirror
    from trivet_admin.site.addresses import text_of_key

    may: Any = request.user
    table, others = table_name_of(type(shown)), other_tables_of(type(shown))
    is_alone = has_whole_table(type(shown))
    if not may.has_perm("trivet.view_auditentry") or (is_alone and not is_visible(request, table)):
        return {}
    tables = [table, *(each for each in others if is_visible(request, each))]
    entries: Any = mirror(AuditEntry)
    key = text_of_key(shown.pk)
    of_row = entries.objects.filter(table_name__in=tables, row_key=key)
    newest = of_row.annotate(is_visible=Value(value=True)).order_by("-at", "-id")
    found = mask(request, newest[: SHOWN + 1])
    wanted = {"table_name": table, "row_key": key}
    return {
        "entries": [
            {
                "entry": entry,
                "who": who_made(entry),
                "verb": verb_of(entry),
                "changes": list(read_changes(entry.changes)),
            }
            for entry in found[:SHOWN]
            if entry.is_visible
        ],
        "has_more": len(found) > SHOWN,
        "list_url": f"{reverse('admin:trivet_auditentry_changelist')}?{urlencode(wanted)}",
    }
