"""A feature of classes with every kind of primary key: of several columns, and of odd values."""
