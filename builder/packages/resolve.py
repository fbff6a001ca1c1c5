"""From the packages that were asked for to all that must come along. Pure and deterministic."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from builder.errors import ResolveError
from builder.model.lock import HeldBack, LockedPackage
from builder.model.plan import PackageRequest
from builder.packages.held import Held
from builder.packages.index import Candidate, Universe
from builder.packages.relations import Clause, Relation, clause_text, meets

PATIENCE = 5000
"""Alternatives tried before giving up: real closures need fewer than ten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    packages: tuple[LockedPackage, ...]
    """Sorted by name."""
    held_back: tuple[HeldBack, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Want:
    """A clause that must be satisfied."""

    clause: Clause
    asked_by: str
    """`image`, `base`, ... for a request; the package that has the relation otherwise."""
    request: bool = False


@dataclass(slots=True)
class _State:
    """How far a search has come. Wants are taken in the order in which they arise, so chains stay short."""

    wants: list[_Want]
    done: int = 0
    chosen: dict[str, Candidate] = field(default_factory=dict)
    because: dict[str, _Want] = field(default_factory=dict)
    provided: dict[str, list[tuple[Relation, Candidate]]] = field(default_factory=dict)
    banned: dict[str, list[tuple[Relation, Candidate]]] = field(default_factory=dict)
    """What the chosen ones conflict with, by the name in the relation."""
    held: dict[tuple[str, str], str] = field(default_factory=dict)

    def copy(self) -> "_State":
        return _State(
            list(self.wants),
            self.done,
            dict(self.chosen),
            dict(self.because),
            {name: list(givers) for name, givers in self.provided.items()},
            {name: list(bans) for name, bans in self.banned.items()},
            dict(self.held),
        )

    def choose(self, candidate: Candidate, want: _Want) -> "_State":
        self.chosen[candidate.name] = candidate
        self.because[candidate.name] = want
        for given in candidate.provides:
            self.provided.setdefault(given.name, []).append((given, candidate))
        for relation in candidate.conflicts:
            self.banned.setdefault(relation.name, []).append((relation, candidate))
        self.wants += (_Want(clause=clause, asked_by=candidate.name) for clause in candidate.depends)
        return self

    def meeting(self, relation: Relation) -> Iterator[Candidate]:
        """What is chosen already and satisfies (or hits, for a conflict) a relation."""
        real = self.chosen.get(relation.name)
        if real is not None and meets(real.version, relation):
            yield real
        for given, giver in self.provided.get(relation.name, ()):
            if _gives(given, relation):
                yield giver


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    universe: Universe
    held: Held
    asked: frozenset[str]
    """Names that somebody asked for: never held back."""

    def options(self, clause: Clause) -> list[Candidate]:
        """All that satisfies a clause: by alternative, then the newest real one, then virtual ones."""
        found: dict[tuple[str, str], Candidate] = {}
        for relation in clause:
            for one in _answers(self.universe, relation):
                found.setdefault((one.name, one.version), one)
        return list(found.values())

    def held_back(self, want: _Want) -> HeldBack | None:
        """The clause is dropped where the alternative that would be taken is held back."""
        if want.request:
            return None
        for relation in want.clause:
            answers = _answers(self.universe, relation)
            names = [relation.name, *(one.name for one in answers[:1])]
            if any(name in self.asked for name in names):
                return None
            for name in dict.fromkeys(names):
                reason = self.held.reason(name, want.asked_by)
                if reason is not None:
                    return HeldBack(package=name, wanted_by=want.asked_by, reason=reason)
            if answers:
                return None
        return None


def resolve(universe: Universe, requests: tuple[PackageRequest, ...], held: Held) -> Resolution:
    """The closure of the requests. The newest version over all suites wins, the first alternative wins, what
    is there already is preferred; where that leads into a conflict, the next alternative is tried.

    Raises `ResolveError` with every problem, each with the chain that led there.
    """
    wants = [
        _Want(clause=(Relation(request.name),), asked_by=request.asked_by, request=True)
        for request in requests
    ]
    question = _Question(universe=universe, held=held, asked=frozenset(request.name for request in requests))
    solved = _search(question, _State(list(wants)))
    if solved is None:
        raise _unsolvable(question, _State(list(wants)))
    return _resolution(solved)


def _search(question: _Question, start: _State) -> _State | None:
    """Depth first with explicit states, so that a large closure does not meet Python's recursion limit."""
    open_states = [start]
    for _ in range(PATIENCE):
        if not open_states:
            return None
        state = open_states.pop()
        branches = _advance(question, state)
        if branches is None:
            return state
        open_states += reversed(branches)
    return None


def _advance(question: _Question, state: _State) -> list[_State] | None:
    """Goes on to the next real choice; None when all wants are met, no state when one can't be."""
    while (want := _next_want(question, state)) is not None:
        options = [
            one
            for one in question.options(want.clause)
            if one.name not in state.chosen and _quarrel(state, one) is None
        ]
        if len(options) != 1:
            return [state.copy().choose(one, want) for one in options]
        state.choose(options[0], want)
    return None


def _next_want(question: _Question, state: _State) -> _Want | None:
    while state.done < len(state.wants):
        want = state.wants[state.done]
        state.done += 1
        if any(True for relation in want.clause for _ in state.meeting(relation)):
            continue
        held = question.held_back(want)
        if held is None:
            return want
        state.held[held.wanted_by, held.package] = held.reason
    return None


def _answers(universe: Universe, relation: Relation) -> list[Candidate]:
    real = [one for one in universe.named(relation.name) if meets(one.version, relation)]
    virtual = [
        one
        for one in universe.providing(relation.name)
        if any(_gives(given, relation) for given in one.provides)
    ]
    return real + virtual


def _gives(given: Relation, relation: Relation) -> bool:
    """Policy 7.5: a versioned relation is met by a versioned Provides only."""
    if given.name != relation.name:
        return False
    return not relation.operator or (given.operator == "=" and meets(given.version, relation))


def _quarrel(state: _State, candidate: Candidate) -> Candidate | None:
    """A chosen package that conflicts with (or breaks) a candidate, or the other way round."""
    for relation in candidate.conflicts:
        for other in state.meeting(relation):
            if other.name != candidate.name:
                return other
    for name in (candidate.name, *(given.name for given in candidate.provides)):
        for relation, other in state.banned.get(name, ()):
            if other.name != candidate.name and _hits(relation, candidate):
                return other
    return None


def _hits(relation: Relation, candidate: Candidate) -> bool:
    if relation.name == candidate.name and meets(candidate.version, relation):
        return True
    return any(_gives(given, relation) for given in candidate.provides)


def _resolution(state: _State) -> Resolution:
    return Resolution(
        packages=tuple(
            LockedPackage(
                name=one.name,
                version=one.version,
                architecture=one.architecture,
                archive=one.archive,
                path=one.path,
                size=one.size,
                sha256=one.sha256,
                because=state.because[one.name].asked_by,
            )
            for one in sorted(state.chosen.values(), key=lambda one: one.name)
        ),
        held_back=tuple(
            HeldBack(package=package, wanted_by=wanted_by, reason=reason)
            for (wanted_by, package), reason in sorted(state.held.items())
        ),
    )


def _unsolvable(question: _Question, state: _State) -> ResolveError:
    """Takes the first option everywhere, whatever it breaks, and collects what is broken."""
    problems: dict[str, None] = {}
    parties: set[str] = set()
    while (want := _next_want(question, state)) is not None:
        options = question.options(want.clause)
        fresh = [one for one in options if one.name not in state.chosen]
        if not fresh:
            problems[_unmet(question.universe, state, want, options)] = None
            parties |= {want.asked_by, *(relation.name for relation in want.clause)}
            parties |= {one.name for one in options}
            continue
        quarrel = _quarrel(state, fresh[0])
        if quarrel is not None:
            problems[_conflict(state, want, fresh[0], quarrel)] = None
            parties |= {fresh[0].name, quarrel.name}
        state.choose(fresh[0], want)
    none = f"{question.universe.label}: no solution within {PATIENCE} alternatives; ask for fewer packages"
    return ResolveError(problems or none, parties)


def _unmet(universe: Universe, state: _State, want: _Want, options: list[Candidate]) -> str:
    chain = f"{_chain(state, want)}: "
    if options:
        taken = state.chosen[options[0].name]
        return (
            f"{chain}{taken} is there already ({_chain(state, state.because[taken.name])}); "
            "the two can't be in one image"
        )
    names = [relation.name for relation in want.clause]
    versions = [str(one) for name in names for one in (*universe.named(name), *universe.providing(name))]
    if versions:
        return f"{chain}{universe.label} has only {', '.join(versions)}; {_what_to_do(state, want)}"
    if want.request:
        return f"{chain}no such package in {universe.label}{_near(names[0], universe.names())}"
    return f"{chain}no such package in {universe.label}; {_what_to_do(state, want)}"


def _conflict(state: _State, want: _Want, candidate: Candidate, other: Candidate) -> str:
    return (
        f"{_chain(state, want)}: {candidate} conflicts with {other} "
        f"({_chain(state, state.because[other.name])}); keep one of them"
    )


def _what_to_do(state: _State, want: _Want) -> str:
    root = want
    while not root.request:
        want, root = root, state.because[root.asked_by]
    return f"leave '{root.clause[0].name}' out, or use another base"


def _chain(state: _State, want: _Want) -> str:
    """`image -> onnx -> libfoo (>= 2)`."""
    steps = [clause_text(want.clause)]
    while not want.request:
        steps.append(want.asked_by)
        want = state.because[want.asked_by]
    return " -> ".join([want.asked_by, *reversed(steps)])


def _near(name: str, names: Iterable[str]) -> str:
    """Only names with the same beginning are compared: there are 70,000."""
    alike = {other for other in names if other[:1] == name[:1] and abs(len(other) - len(name)) <= 2}
    near = difflib.get_close_matches(name, sorted(alike), n=1, cutoff=0.75)
    return (
        f"; did you mean '{near[0]}'?" if near else "; look for its name in the distribution's package search"
    )
