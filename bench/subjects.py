"""What is measured, in the order of a round."""

from dataclasses import dataclass, field
from typing import Any

from bench.clock import FailedError, Ran
from bench.peers import PEER_IMAGE, Peers
from bench.place import IMAGE, SERVER, Place
from bench.rounds import Subject

HELP = "temper --help"
WARM = "warm build"
ANEW = "warm build, layers anew"
UNCHANGED = "warm build of the server"
CHANGED = "server with one file changed"
LOADED_ANEW = "build and load, image removed"
LOADED_AGAIN = "build and load, image there"
AUDIT = "temper audit"
INSIDE = "audit stage"
VERIFY = "temper verify"
EXTRACT = "mmdebstrap extract"
MINBASE = "mmdebstrap minbase and apt"
DOCKER = "docker build with apt-get install"


@dataclass(slots=True)
class Live:
    """The live suite, and how many checks the last run passed."""

    place: Place
    architecture: str
    checks: set[str] = field(default_factory=set)

    def verify(self) -> Ran:
        ran = self.place.temper("verify", IMAGE)
        self.checks = passed_checks(self.place.report(IMAGE, self.architecture))
        if not self.checks:
            raise FailedError("no live check was run")
        return ran


def passed_checks(report: dict[str, Any]) -> set[str]:
    """Names of the live tests; one that proves two controls counts once."""
    groups = [report["suites"], *(control["checks"] for control in report["controls"])]
    return {check["name"] for group in groups for check in group if check["outcome"] == "passed"}


def tag(image: str) -> str:
    return f"temper/{image}:hardened"


def subjects(place: Place, peers: Peers, live: Live) -> tuple[Subject, ...]:
    return (*_builds(place), *_loads(place, peers), *_looks(place, live), *_peers(peers))


def _builds(place: Place) -> tuple[Subject, ...]:
    return (
        Subject(name=HELP, measure=lambda: place.temper("--help")),
        Subject(name=WARM, measure=lambda: place.build(IMAGE)),
        Subject(name=ANEW, measure=lambda: place.build(IMAGE), prepare=place.forget_layers),
        Subject(name=UNCHANGED, measure=lambda: place.build(SERVER), prepare=lambda: place.build(SERVER)),
        Subject(name=CHANGED, measure=lambda: place.build(SERVER), prepare=place.change_one_file),
    )


def _loads(place: Place, peers: Peers) -> tuple[Subject, ...]:
    return (
        Subject(
            name=LOADED_ANEW,
            measure=lambda: place.build(IMAGE, engine="auto"),
            prepare=lambda: peers.remove(tag(IMAGE)),
        ),
        Subject(name=LOADED_AGAIN, measure=lambda: place.build(IMAGE, engine="auto")),
    )


def _looks(place: Place, live: Live) -> tuple[Subject, ...]:
    """`audit` right before `verify`, which audits too: the difference is the live suite."""
    return (
        Subject(name=INSIDE, measure=place.audit_inside),
        Subject(name=AUDIT, measure=lambda: place.temper("audit", IMAGE)),
        Subject(name=VERIFY, measure=live.verify),
    )


def _peers(peers: Peers) -> tuple[Subject, ...]:
    return (
        Subject(name=EXTRACT, measure=peers.extract),
        Subject(name=MINBASE, measure=peers.minbase),
        Subject(name=DOCKER, measure=peers.docker_build, prepare=lambda: peers.remove(PEER_IMAGE)),
    )
