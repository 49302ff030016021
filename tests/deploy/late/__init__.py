"""A feature that takes its time: its import waits while the file `wait` is in the directory."""

import time
from pathlib import Path

while Path("wait").exists():
    time.sleep(0.02)
