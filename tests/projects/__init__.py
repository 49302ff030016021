"""The classes of public projects, unchanged, in the real admin: `make projects`.

Each project of `catalog` is installed in an environment of its own, beside what Trivet runs on. A
feature of three files names its classes, as a team would name those of its own application. Then
`driving` opens every page of every class over ASGI and does what a person does there: adds a row,
finds it, changes it, reads its history and deletes it. `page` writes docs/projects.md of what was
seen; nobody edits that page by hand.
"""
