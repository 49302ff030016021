"""Failures of the database, carried from one vocabulary into another."""
