"""A row of each class of the hierarchies, as its own page adds, changes and deletes it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Life:
    """A row of a class, added, changed and deleted on its own page."""

    name: str
    typed: dict[str, str]
    changed: dict[str, str]
    query: str
    added: list[tuple[Any, ...]]
    edited: list[tuple[Any, ...]]
    table: str
    change: dict[str, Any] = field(default_factory=dict)
    untypable: dict[str, str] = field(default_factory=dict)
    """What a form has no field for, and what is sent all the same."""


EXHIBITS = "SELECT sort, title, version FROM lineage_exhibit WHERE id = :id"
PAINTED = (
    "SELECT e.sort, e.title, e.version, p.technique FROM lineage_exhibit e "
    "JOIN lineage_painting p ON p.id = e.id WHERE e.id = :id"
)
FRESCO = (
    "SELECT e.sort, e.title, e.version, p.technique, f.wall FROM lineage_exhibit e "
    "JOIN lineage_painting p ON p.id = e.id JOIN lineage_fresco f ON f.fresco_id = e.id "
    "WHERE e.id = :id"
)
STATUE = (
    "SELECT e.sort, e.title, e.version, s.weight FROM lineage_exhibit e "
    "JOIN lineage_sculpture s ON s.id = e.id WHERE e.id = :id"
)
NOTICE = "SELECT number, words, engines FROM lineage_notice WHERE id = :id"
ENTRY = "SELECT price, reason FROM lineage_entry WHERE id = :id"
LIVES = [
    Life(
        "exhibit",
        {"title": "Chair"},
        {"title": "Stool"},
        EXHIBITS,
        [("plain", "Chair", 1)],
        [("plain", "Stool", 2)],
        "lineage_exhibit",
        {"title": {"from": "Chair", "to": "Stool"}},
        {"sort": "painting"},
    ),
    Life(
        "painting",
        {"title": "Noon", "technique": "oil"},
        {"technique": "ink"},
        PAINTED,
        [("painting", "Noon", 1, "oil")],
        [("painting", "Noon", 2, "ink")],
        "lineage_painting",
        {"technique": {"from": "oil", "to": "ink"}},
        {"sort": "plain"},
    ),
    Life(
        "fresco",
        {"title": "Hunt", "technique": "wet", "wall": "south"},
        {"title": "Hunters", "technique": "dry", "wall": "west"},
        FRESCO,
        [("fresco", "Hunt", 1, "wet", "south")],
        [("fresco", "Hunters", 2, "dry", "west")],
        "lineage_fresco",
        {
            "title": {"from": "Hunt", "to": "Hunters"},
            "technique": {"from": "wet", "to": "dry"},
            "wall": {"from": "south", "to": "west"},
        },
        {"sort": "nobody", "fresco_id": "102"},
    ),
    Life(  # whose own table is not audited, and whose base's is
        "sculpture",
        {"title": "Dog", "weight": "7"},
        {"title": "Hound", "weight": "8"},
        STATUE,
        [("sculpture", "Dog", 1, 7)],
        [("sculpture", "Hound", 2, 8)],
        "lineage_exhibit",
        {"title": {"from": "Dog", "to": "Hound"}},
        {"sort": "plain"},
    ),
    Life(
        "fire",
        {"words": "Run", "engines": "3"},
        {"engines": "4"},
        NOTICE,
        [(1, "Run", 3)],
        [(1, "Run", 4)],
        "lineage_notice",
        {"engines": {"from": 3, "to": 4}},
        {"number": "3"},
    ),
    Life(
        "welcome",
        {"words": "Hi"},
        {"words": "Ho"},
        NOTICE,
        [(3, "Hi", None)],
        [(3, "Ho", None)],
        "lineage_notice",
        {"words": {"from": "Hi", "to": "Ho"}},
        {"number": "1"},
    ),
    Life(
        "freeentry",
        {"price": "0", "reason": "press"},
        {"reason": "guest"},
        ENTRY,
        [(0, "press")],
        [(0, "guest")],
        "lineage_entry",
        {"reason": {"from": "press", "to": "guest"}},
    ),
    Life(
        "vault",
        {"name": "Deep", "locks": "1"},
        {"locks": "2"},
        "SELECT name, locks FROM lineage_vault WHERE id = :id",
        [("Deep", 1)],
        [("Deep", 2)],
        "lineage_vault",
        {"locks": {"from": 1, "to": 2}},
    ),
    Life(
        "room",
        {"name": "Attic"},
        {"name": "Loft"},
        "SELECT name FROM lineage_room WHERE id = :id",
        [("Attic",)],
        [("Loft",)],
        "lineage_room",
        {"name": {"from": "Attic", "to": "Loft"}},
    ),
]
