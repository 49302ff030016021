"""The classes of the shop, taken as they are."""

taken_from = "chinook.tables"
