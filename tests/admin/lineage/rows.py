"""The rows with which each test of the hierarchies begins."""

import re

from tests.admin.forms import Page

HERE = "/admin/lineage"
TABLES = (
    *("lending", "fresco", "painting", "sculpture", "exhibit_keyword", "exhibit", "keyword"),
    *("gallery", "notice", "entry", "vault", "room"),
)
ROWS = (
    "INSERT INTO lineage_gallery (id, name) VALUES (110, 'East'), (111, 'West')",
    "INSERT INTO lineage_keyword (id, word) VALUES (110, 'old'), (111, 'blue')",
    "INSERT INTO lineage_exhibit (id, version, sort, title, gallery_id) VALUES "
    "(101, 1, 'plain', 'Bench', 110), (102, 1, 'painting', 'Dawn', 110), "
    "(103, 1, 'fresco', 'Feast', 111), (104, 1, 'sculpture', 'Horse', NULL)",
    "INSERT INTO lineage_painting (id, technique, copy_of_id) VALUES "
    "(102, 'oil', NULL), (103, 'lime', 101)",
    "INSERT INTO lineage_fresco (fresco_id, wall) VALUES (103, 'north')",
    "INSERT INTO lineage_sculpture (id, weight) VALUES (104, 900)",
    "INSERT INTO lineage_exhibit_keyword (exhibit_id, keyword_id) VALUES (102, 110)",
    "INSERT INTO lineage_lending (id, \"to\", painting_id) VALUES (120, 'Rome', 103)",
    "INSERT INTO lineage_notice (id, number, words, engines) VALUES "
    "(101, 1, 'Fire!', 2), (102, 2, 'Closed', NULL), (103, 3, 'Hello', NULL)",
    "INSERT INTO lineage_entry (id, price, reason) VALUES (101, 0, 'child'), (102, 9, NULL)",
    "INSERT INTO lineage_room (id, name) VALUES (101, 'Foyer'), (102, 'Hall')",
    "INSERT INTO lineage_vault (id, name, locks) VALUES (101, 'Cellar', 3)",
)


def listed(page: Page) -> list[str]:
    """The texts of the rows of a list."""
    body = page.text.partition("<tbody>")[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    cells = [re.findall(r"<t[hd](?! class=.action).*?</t[hd]>", row, re.DOTALL) for row in rows]
    return [" ".join(re.sub(r"<[^>]*>", "", cell).strip() for cell in row) for row in cells]
