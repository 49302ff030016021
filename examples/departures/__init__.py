"""Departures: Trivet's demonstration, the flights out of New York in one week of 2013.

One framework a file, as every feature has it: `models` and `services` are the business,
`api`, `admin`, `realtime` and `web` are its four doors. `timetable`, `importing`, `history`
and `replay` bring the week's data in: the schedule into the database, and what really
happened through the API, as an airline's own system would report it.
"""
