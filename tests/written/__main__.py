import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import written


def run(*words: str, cwd: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("TRIVET_")}
    command = [sys.executable, "-m", "trivet_deploy.cli", "new", *words]
    subprocess.run(command, cwd=cwd, env=env, check=True)


with TemporaryDirectory() as name:
    written.keep(written.write(Path(name), run))
