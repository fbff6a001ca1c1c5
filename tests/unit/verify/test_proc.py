import pytest

from builder.verify import proc

STATUS = """Name:\thttpd
Uid:\t65532\t65532\t65532\t65531
Gid:\t65532\t65532\t65532\t65532
Groups:\t44 65532
CapInh:\t0000000000000000
CapBnd:\t00000000a80425fb
NoNewPrivs:\t1
Seccomp:\t2
"""


def test_a_status_says_what_the_kernel_enforces() -> None:
    status = proc.Status.parse(STATUS)
    assert status.uids == (65532, 65532, 65532, 65531)
    assert status.groups == (44, 65532)
    assert status.capabilities("Bnd") == 0xA80425FB
    assert (status.no_new_privileges, status.seccomp) == (True, 2)


def test_no_groups_are_no_groups() -> None:
    assert proc.Status.parse("Groups:\t \n").groups == ()


def test_mounts_have_plain_paths_and_options_with_values() -> None:
    [mount] = proc.mounts("tmpfs /a\\040b tmpfs rw,nosuid,size=8192k 0 0\n")
    assert mount == proc.Mount(
        path="/a b", filesystem="tmpfs", device="tmpfs", options=("rw", "nosuid", "size=8192k")
    )
    assert (mount.option("size"), mount.option("mode")) == ("8192k", None)


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"


@pytest.mark.parametrize(
    ("protocol", "line", "listening", "found"),
    [
        ("tcp", "0: 00000000:1F40 00000000:0000 0A", True, ("tcp", "0.0.0.0", 8000, None)),
        ("tcp", "0: 0100007F:0050 00000000:0000 0A", True, ("tcp", "127.0.0.1", 80, None)),
        ("tcp6", f"0: {'0' * 32}:1F40 {'0' * 32}:0000 0A", True, ("tcp", "::", 8000, None)),
        ("tcp6", f"0: {'0' * 24}01000000:1F40 {'0' * 32}:0000 0A", True, ("tcp", "::1", 8000, None)),
        ("udp", "0: 00000000:0035 00000000:0000 07", True, ("udp", "0.0.0.0", 53, None)),
        ("tcp", "0: 0100007F:0050 0200007F:1F40 01", False, ("tcp", "127.0.0.1", 80, ("127.0.0.2", 8000))),
    ],
)
def test_a_socket(protocol: str, line: str, listening: bool, found: tuple[object, ...]) -> None:
    [item] = proc.sockets(HEAD + line + "\n", protocol, listening=listening)
    assert (item.protocol, item.host, item.port, item.remote) == found


def test_other_states_are_left_out() -> None:
    table = HEAD + "0: 00000000:1F40 00000000:0000 06\n"
    assert list(proc.sockets(table, "tcp", listening=True)) == []
    assert list(proc.sockets(table, "tcp", listening=False)) == []


def test_unix_sockets_with_a_path() -> None:
    table = (
        "Num       RefCount Protocol Flags    Type St Inode Path\n"
        "ffff: 00000002 00000000 00010000 0001 01 24 /run/a b.sock\n"
        "ffff: 00000003 00000000 00000000 0001 03 25 /run/c.sock\n"
        "ffff: 00000003 00000000 00000000 0001 03 26\n"
    )
    assert [item.host for item in proc.unix_sockets(table, listening=True)] == ["/run/a b.sock"]
    assert [item.host for item in proc.unix_sockets(table, listening=False)] == ["/run/c.sock"]


TAIL = " S 7 1 1 0 -1 4194560 120 0 0 0 1 2 0 0 20 5 3 0 12345 2097152 250 1844674"


@pytest.mark.parametrize("name", ["httpd", "a) b (c", "two words", ") S 1"])
def test_a_process_whatever_its_name(name: str) -> None:
    found = proc.process(f"12 ({name}){TAIL}", STATUS, "/usr/bin/x\0-a b\0\0")
    assert (found.pid, found.ppid, found.comm, found.state) == (12, 7, name, "S")
    assert found.args == ("/usr/bin/x", "-a b", "")
    assert (found.nice, found.threads, found.started, found.virtual, found.resident) == (
        5,
        3,
        12345,
        2048,
        1000,
    )


def test_a_process_without_a_command_line() -> None:
    assert proc.process(f"2 (kthreadd){TAIL}", STATUS, "").args == ()


def make(pid: int, ppid: int) -> proc.Process:
    tail = TAIL.replace(" S 7 ", f" S {ppid} ")
    return proc.process(f"{pid} (x){tail}", STATUS, "x")


def test_the_probe_and_all_that_it_started_is_left_out() -> None:
    """2 is the probe shell, 3 and 4 below it; 9 was orphaned by a probe, but runs from the toolbox."""
    listed = (make(1, 0), make(4, 3), make(3, 2), make(2, 0), make(5, 1), make(9, 1))
    left = proc.without_probes(listed, 2, frozenset({9}))
    assert [item.pid for item in left] == [1, 5]
