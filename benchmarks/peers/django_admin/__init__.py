"""Django's admin on the tables of `benchmarks.library`, by models written by hand."""
