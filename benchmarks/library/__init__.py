"""Books, their authors, shelves and loans: the tables whose admin is measured."""
