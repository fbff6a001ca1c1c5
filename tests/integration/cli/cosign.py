"""The real cosign, of every release that is here: 2 and 3 differ in what they write and look for."""

import json
import os
import shutil
import subprocess
from pathlib import Path


def programs() -> list[str]:
    """Each `cosign` on the PATH."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    return [found for folder in dict.fromkeys(folders) if (found := shutil.which("cosign", path=folder))]


def is_old(cosign: list[str]) -> bool:
    """Release 2, which reads bundles only once it has a root of trust, and be it an empty one."""
    said = subprocess.run([*cosign, "version", "--json"], capture_output=True, text=True, check=True).stdout
    return bool(json.loads(said)["gitVersion"].startswith("v2."))


def told(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    env = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "COSIGN_YES": "true", "COSIGN_PASSWORD": "x"}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
