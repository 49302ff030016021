"""Everybody may watch every dock."""

from trivet_realtime import channel


@channel("crates:{dock}")
def dock(dock: str) -> bool:
    return bool(dock)
