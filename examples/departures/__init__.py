"""Departure boards of New York's airports, moving as the flights of one week did.

It is Trivet's demonstration, on the real flights of 4 to 10 February 2013.

One framework a file, as every feature has it: `models` and `services` are the business,
`api`, `admin`, `realtime` and `web` are its four doors. `timetable`, `importing`, `history`
and `replay` bring the week's data in: the schedule into the database, and what really
happened through the API, as an airline's own system would report it.
"""
