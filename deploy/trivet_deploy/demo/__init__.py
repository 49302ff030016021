"""The demonstration behind `trivet demo`: real flights, from an empty directory to a moving board.

It lives in the roof because it puts the whole house together; the flights themselves are the
feature `departures`, in the checkout's `examples`.
"""
