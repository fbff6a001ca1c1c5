"""Where the answer goes: to a reader that hangs up, to a full disk, to nobody."""

import os
import subprocess
from pathlib import Path

from tests.integration.cli.desk import TEMPER, Desk


def hung_up() -> int:
    """The writing end of a pipe whose reader has left."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def test_a_reader_that_hangs_up_is_left_alone(used: Desk) -> None:
    """As `temper build app | head -1` may do. Not 1: that would be an image that fails."""
    out = hung_up()
    ran = used.execute("-q", "build", "app", stdout=out)
    os.close(out)
    assert (ran.code, ran.err) == (3, "")
    assert used.half_made() == []
    assert (used.work / "build/app-hardened-amd64/report.json").exists()


def test_a_reader_of_the_progress_that_hangs_up(used: Desk) -> None:
    err = hung_up()
    ran = used.execute("build", "app", stderr=err)
    os.close(err)
    assert (ran.code, ran.out) == (3, "")
    assert used.half_made() == []
    assert used.run("build", "app").code == 0


def test_an_answer_that_does_not_fit_on_the_disk(used: Desk) -> None:
    with Path("/dev/full").open("w") as full:
        ran = used.execute("-q", "list", stdout=full.fileno())
    assert (ran.code, ran.err) == (
        3,
        "temper: the answer can't be written to stdout: no space left on device\n",
    )


def test_closed_streams(used: Desk) -> None:
    """As some schedulers start programs: what is said is lost, what is built is built."""
    command = ["sh", "-c", '"$@" >&- 2>&-', "sh", str(TEMPER), "build", "app", "-o", "quiet"]
    done = subprocess.run(command, cwd=used.work, env=used.environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (used.work / "quiet/report.json").exists()
