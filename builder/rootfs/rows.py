"""Entries as rows of a record: arrays without keys, since a warm build does little else than read them."""

from collections.abc import Callable
from typing import Any

from builder.model.tree import NO_FACTS, Content, Elf, Entry, Facts, Kind, Owner

Row = list[Any]
_KINDS = {kind.value: kind for kind in Kind}


def entry_row(entry: Entry, content_row: Callable[[Content], Row]) -> Row:
    return [
        entry.path,
        entry.kind.value,
        entry.mode,
        entry.uid,
        entry.gid,
        entry.mtime,
        entry.target,
        [[name, value.hex()] for name, value in entry.xattrs],
        None if entry.content is None else content_row(entry.content),
    ]


def entry_of(row: Row, content_of: Callable[[Row], Content], owner: Owner) -> Entry:
    path, kind, mode, uid, gid, mtime, target, xattrs, content = row
    return Entry(
        path=path,
        kind=_KINDS[kind],
        mode=mode,
        uid=uid,
        gid=gid,
        mtime=mtime,
        content=content_of(content) if content else None,
        target=target,
        xattrs=tuple([(name, bytes.fromhex(value)) for name, value in xattrs]) if xattrs else (),
        owner=owner,
    )


def facts_row(facts: Facts) -> Row | None:
    if facts == NO_FACTS:
        return None
    return [facts.shebang, facts.look, facts.elf and _elf_row(facts.elf)]


def facts_of(row: Row | None) -> Facts:
    if row is None:
        return NO_FACTS
    shebang, look, elf = row
    if elf is None and shebang is None:
        return _LOOKS.get(look) or Facts(look=look)
    return Facts(elf=elf and _elf_of(elf), shebang=shebang, look=look)


_LOOKS = {look: Facts(look=look) for look in (None, "")}
"""One for all: most files are neither programs nor secrets."""


def _elf_row(elf: Elf) -> Row:
    return [
        elf.machine,
        elf.needed,
        elf.soname,
        elf.rpath,
        elf.runpath,
        elf.interpreter,
        elf.executable_stack,
        elf.build_id,
    ]


def _elf_of(row: Row) -> Elf:
    machine, needed, soname, rpath, runpath, interpreter, executable_stack, build_id = row
    return Elf(
        machine=machine,
        needed=tuple(needed),
        soname=soname,
        rpath=tuple(rpath),
        runpath=tuple(runpath),
        interpreter=interpreter,
        executable_stack=executable_stack,
        build_id=build_id,
    )
