"""The peers: the same endpoints as each community would write them, for one worker.

No debug mode, ten connections for each pool, and the same tables. Those that authenticate
look the key up in the database by its public beginning, compare its hash in constant time,
and mind that it can expire, be revoked, and that its owner can be switched off.
"""
