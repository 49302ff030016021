"""The last module that the parent of all forks imports: what is there by now stays for good.

Objects that the collector leaves alone are not walked through again by every fork, nor are their
pages copied for it. Python's documentation of `gc.freeze` recommends it before a fork.
"""

import gc

gc.collect()
gc.freeze()
