"""What is measured, in the order of a round."""

from dataclasses import dataclass, field
from typing import Any

from bench.clock import FailedError, Ran
from bench.foreign import Foreign
from bench.peers import PEER_IMAGE, Peers
from bench.place import IMAGE, SERVER, Place
from bench.registry import Registry
from bench.rounds import Subject

HELP = "temper --help"
WARM = "warm build"
ANEW = "warm build, layers anew"
SETTLED = "warm build, nothing changed"
UNCHANGED = "warm build of the server"
CHANGED = "server with one file changed"
LOADED_ANEW = "build and load, image removed"
LOADED_AGAIN = "build and load, image there"
LOADED_CHANGED = "build and load, server with one file changed"
LOADED_ALONE = "docker load alone, image removed"
PUBLISH = "temper publish, all of it there"
AUDIT = "temper audit"
INSIDE = "audit stage"
VERIFY = "temper verify"
EXTRACT = "mmdebstrap extract"
MINBASE = "mmdebstrap minbase and apt"
DOCKER = "docker build with apt-get install"
SMALL_AUDIT = "audit of a small foreign image"
SAVED_AUDIT = "audit of a large foreign image"
LAYOUT_AUDIT = "audit of a large foreign layout"
SMALL_SCAN = "small foreign image unpacked and searched"
LARGE_SCAN = "large foreign image unpacked and searched"
LAYOUT_CHECK = "layers of a large foreign layout decompressed and hashed"
FOREIGN = (SMALL_AUDIT, SMALL_SCAN, SAVED_AUDIT, LARGE_SCAN, LAYOUT_AUDIT, LAYOUT_CHECK)


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


def subjects(
    place: Place, peers: Peers, live: Live, foreign: Foreign, registry: Registry
) -> tuple[Subject, ...]:
    return (
        *_builds(place),
        Subject(name=PUBLISH, measure=registry.publish),
        *_loads(place, peers),
        *_looks(place, live),
        *foreign_subjects(foreign),
        *_peers(peers),
    )


def _builds(place: Place) -> tuple[Subject, ...]:
    return (
        Subject(name=HELP, measure=lambda: place.temper("--help")),
        Subject(name=WARM, measure=lambda: place.build(IMAGE, anew=True)),
        Subject(name=ANEW, measure=lambda: place.build(IMAGE, anew=True), prepare=place.forget_layers),
        Subject(name=SETTLED, measure=lambda: place.build(IMAGE)),
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
        Subject(
            name=LOADED_CHANGED,
            measure=lambda: place.build(SERVER, engine="auto"),
            prepare=place.change_one_file,
        ),
        Subject(name=LOADED_ALONE, measure=peers.load, prepare=lambda: peers.take_out(tag(IMAGE))),
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


def foreign_subjects(foreign: Foreign) -> tuple[Subject, ...]:
    """Audit and search of the same archive right after each other."""
    return (
        Subject(name=SMALL_AUDIT, measure=lambda: foreign.audit(foreign.small)),
        Subject(name=SMALL_SCAN, measure=lambda: foreign.scan(foreign.small), prepare=foreign.clear),
        Subject(name=SAVED_AUDIT, measure=lambda: foreign.audit(foreign.saved)),
        Subject(name=LARGE_SCAN, measure=lambda: foreign.scan(foreign.saved), prepare=foreign.clear),
        Subject(name=LAYOUT_AUDIT, measure=foreign.audit_layout),
        Subject(name=LAYOUT_CHECK, measure=foreign.check_layout),
    )
