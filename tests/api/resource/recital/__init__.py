"""Poems and those who write and judge them: classes that are read through others."""
