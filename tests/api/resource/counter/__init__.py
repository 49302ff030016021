"""The bookshop's counter: whoever makes a place there leaves a label first."""
