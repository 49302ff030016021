"""The connections of sockets, for staff: who is connected in which process, and how it goes."""
