"""The run contract, twice: what the engine was told, and what the kernel does.

The words of an engine prove nothing by themselves: each limit is looked up in /proc, too, where it shows.
"""

import pytest

UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
KINDS = {"Inh": "inheritable", "Prm": "permitted", "Eff": "effective", "Bnd": "bounding", "Amb": "ambient"}
MAY_RETURN = {"NET_BIND_SERVICE": 1 << 10}
"""capabilities(7), as a bit of /proc/PID/status."""
DEVICES = {"console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr"}
DEVICES |= {"stdin", "stdout", "tty", "urandom", "zero"}
ENGINES_OWN = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev/shm", "/dev/mqueue", "/dev/pts"}
TURNED_OFF = ["apparmor=unconfined", "apparmor:unconfined", "label=disable", "label:disable"]
UNCONFINED = ["unconfined", "unconfined_t", "spc_t"]
MASKED = ["/proc/kcore", "/proc/keys", "/proc/timer_list"]


def size(text):
    """`64m` -> bytes"""
    return int(text[:-1]) * UNITS[text[-1]]


def kernel_size(text):
    """A tmpfs shows its size in KiB: `65536k`."""
    return size(text) if text[-1] in UNITS else int(text)


def mount_at(mounts, path):
    found = [mount for mount in mounts if mount.path == path]
    assert found, f"nothing is mounted at {path}"
    return found[-1]


@pytest.fixture(scope="session")
def told(inspected):
    return inspected["HostConfig"]


def cgroup(host, new, old):
    """A limit in the container's own cgroup, version 2 or 1; skips where the engine hides both."""
    for path in (new, old):
        done = host.run("cat %s", f"/sys/fs/cgroup/{path}")
        if done.rc == 0:
            return done.stdout.split()
    pytest.skip("the container does not see its cgroup")


@pytest.mark.control("drop-capabilities")
@pytest.mark.parametrize("kind", KINDS)
def test_there_are_no_capabilities(pid1, contract, kind):
    """But what the contract lets return."""
    found = pid1.capabilities(kind) & ~sum(MAY_RETURN[name] for name in contract.capabilities)
    assert found == 0, f"{KINDS[kind]} capabilities: {found:#x}"


@pytest.mark.control("drop-capabilities")
def test_the_engine_was_told_to_drop_all_capabilities(told, contract):
    assert told["CapDrop"] == ["ALL"], f"CapDrop is {told['CapDrop']}"
    added = {name.removeprefix("CAP_") for name in told["CapAdd"] or ()}
    assert added <= set(contract.capabilities), f"CapAdd is {told['CapAdd']}"


@pytest.mark.control("not-privileged")
def test_it_is_not_privileged(told):
    assert told["Privileged"] is False


@pytest.mark.control("no-new-privileges")
def test_no_new_privileges(pid1):
    assert pid1.no_new_privileges


@pytest.mark.control("seccomp")
def test_a_seccomp_filter_is_active(pid1, told):
    assert pid1.seccomp == 2, f"Seccomp is {pid1.seccomp}"
    assert not [item for item in told["SecurityOpt"] or () if item.endswith("seccomp=unconfined")]


@pytest.mark.control("read-only-root")
def test_the_root_is_read_only(mounts, told):
    assert told["ReadonlyRootfs"] is True
    assert "ro" in mount_at(mounts, "/").options


@pytest.mark.control("scratch-tmpfs")
def test_scratch_space_is_what_the_contract_says(mounts, contract):
    for item in contract.tmpfs:
        mount = mount_at(mounts, item.path)
        wanted = {"rw", "nosuid", "nodev"} | (set() if item.exec else {"noexec"})
        assert mount.filesystem == "tmpfs", f"{item.path} is {mount.filesystem}"
        assert wanted <= set(mount.options), f"{item.path} lacks {sorted(wanted - set(mount.options))}"
        assert kernel_size(mount.option("size")) == size(item.size), f"{item.path}: {mount.option('size')}"


def test_state_is_mounted_as_the_contract_says(mounts, contract):
    for item in contract.state:
        assert item.mode in mount_at(mounts, item.path).options, f"{item.path} is not {item.mode}"


@pytest.mark.control("no-host-mounts")
def test_nothing_else_is_mounted(mounts, contract):
    declared = {item.path for item in (*contract.tmpfs, *contract.state)}
    kernel = ("/proc", "/sys", "/dev")
    found = [mount.path for mount in mounts if mount.path not in declared | ENGINES_OWN | {"/"}]
    other = [path for path in found if not f"{path}/".startswith(tuple(f"{top}/" for top in kernel))]
    assert not other, f"also mounted: {', '.join(other)}"


@pytest.mark.control("no-host-mounts")
def test_the_socket_of_the_engine_is_out_of_reach(host, inspected):
    sources = [mount.get("Source", "") for mount in inspected["Mounts"]]
    assert not [source for source in sources if source.endswith((".sock", "/run", "/"))], f"{sources}"
    assert not host.file("/var/run/docker.sock").exists


@pytest.mark.control("no-host-mounts")
def test_no_mount_is_shared_with_the_host(inspected):
    shared = [
        mount["Destination"] for mount in inspected["Mounts"] if "shared" in mount.get("Propagation", "")
    ]
    assert not shared, f"shared: {', '.join(shared)}"


@pytest.mark.control("no-host-namespaces")
@pytest.mark.parametrize(
    "name", ["NetworkMode", "PidMode", "IpcMode", "UTSMode", "UsernsMode", "CgroupnsMode"]
)
def test_no_namespace_is_shared_with_the_host(told, name):
    mode = told.get(name) or ""
    shared = mode.startswith("container:") or (mode == "host" and name != "CgroupnsMode")
    assert not shared, f"{name} is '{mode}'"


@pytest.mark.control("declared-devices")
def test_there_are_no_devices_but_the_usual(host, told, contract):
    """And what the contract hands on."""
    declared = {item.path for item in contract.devices}
    handed = {item["PathOnHost"] for item in told["Devices"] or ()}
    assert handed <= declared, f"Devices is {told['Devices']}"
    extra = set(host.file("/dev").listdir()) - DEVICES - {path.split("/")[2] for path in declared}
    assert not extra, f"in /dev: {', '.join(sorted(extra))}"


@pytest.mark.control("limits")
def test_memory_is_limited(host, told, contract):
    assert told["Memory"] == size(contract.memory), f"the engine was told {told['Memory']} bytes"
    assert cgroup(host, "memory.max", "memory/memory.limit_in_bytes") == [str(size(contract.memory))]


@pytest.mark.control("limits")
def test_swap_adds_nothing_to_it(told):
    assert told["MemorySwap"] == told["Memory"], f"memory and swap: {told['MemorySwap']} bytes"


@pytest.mark.control("limits")
def test_processes_are_limited(host, told, contract):
    assert told["PidsLimit"] == contract.pids, f"the engine was told {told['PidsLimit']}"
    assert cgroup(host, "pids.max", "pids/pids.max") == [str(contract.pids)]


@pytest.mark.control("limits")
def test_processor_time_is_limited(host, told, contract):
    assert told["NanoCpus"] == round(contract.cpus * 1e9), f"the engine was told {told['NanoCpus']}"
    quota = cgroup(host, "cpu.max", "cpu/cpu.cfs_quota_us")[0]
    assert int(quota) == round(contract.cpus * 100_000), f"{quota} us in every 100 ms"


@pytest.mark.control("shm-and-ulimits")
def test_shared_memory_is_limited(mounts, contract):
    found = mount_at(mounts, "/dev/shm").option("size")
    assert kernel_size(found) == size(contract.shm), f"/dev/shm has {found}"


def test_the_user_is_as_in_the_contract(inspected, contract):
    assert inspected["Config"]["User"] == contract.user, f"started as '{inspected['Config']['User']}'"


def test_the_working_directory_is_as_in_the_contract(host, inspected, contract):
    assert (inspected["Config"]["WorkingDir"] or "/") == contract.workdir
    assert host.check_output("pwd") == contract.workdir


@pytest.mark.control("stop-signal")
def test_the_stop_signal_is_as_in_the_contract(inspected, contract):
    assert inspected["Config"]["StopSignal"] == contract.stop_signal


@pytest.mark.control("not-privileged")
@pytest.mark.parametrize("path", MASKED)
def test_kernel_secrets_are_masked(host, path):
    """Where the kernel has no such file, there is nothing to read either."""
    assert host.run("cat %s", path).stdout == "", f"{path} can be read"


@pytest.mark.control("not-privileged")
def test_kernel_settings_cannot_be_written(mounts):
    assert "ro" in mount_at(mounts, "/proc/sys").options


@pytest.mark.control("bounded-restart")
def test_the_restart_policy_is_bounded(told):
    policy = told["RestartPolicy"]
    assert policy["Name"] in ("", "no") or policy["MaximumRetryCount"] > 0, f"it restarts for ever: {policy}"


@pytest.mark.control("lsm")
def test_mandatory_access_control_holds_it(host, told):
    assert not [item for item in told["SecurityOpt"] or () if item in TURNED_OFF], f"{told['SecurityOpt']}"
    label = host.run("cat /proc/1/attr/current")
    if label.rc != 0 or not label.stdout.strip("\0\n "):
        pytest.skip("this host has neither AppArmor nor SELinux")
    assert label.stdout.strip("\0\n ") not in UNCONFINED, f"it runs as '{label.stdout.strip()}'"


@pytest.mark.control("bound-ports")
def test_ports_are_published_on_an_address_of_their_own(told):
    bindings = told["PortBindings"] or {}
    found = [(port, item["HostIp"]) for port, items in bindings.items() for item in items or ()]
    open_to_all = [port for port, address in found if address in ("", "0.0.0.0", "::")]
    assert not open_to_all, f"on every interface: {', '.join(open_to_all)}"
    low = [
        port
        for port, items in bindings.items()
        for item in items or ()
        if 0 < int(item["HostPort"] or 0) < 1024
    ]
    assert not low, f"on privileged ports of the host: {', '.join(low)}"


@pytest.mark.control("declared-sysctls")
def test_kernel_parameters_are_those_of_the_contract(host, told, contract):
    assert (told.get("Sysctls") or {}) == dict(contract.sysctls), f"Sysctls is {told.get('Sysctls')}"
    for name, value in contract.sysctls:
        found = host.check_output("cat %s", f"/proc/sys/{name.replace('.', '/')}")
        assert found.split() == value.split(), f"{name} is {found}"


@pytest.mark.control("no-root-exec")
def test_these_tests_need_no_root(host, contract):
    """This very session: whoever proves the contract from outside it proves another one."""
    told = dict(line.split(":\t", 1) for line in host.check_output("cat /proc/self/status").splitlines())
    assert told["Uid"].split()[0] == contract.user.partition(":")[0], f"the session is user {told['Uid']}"
    assert int(told["CapEff"], 16) == 0, f"the session has capabilities: {told['CapEff']}"


LIMITS = {
    "core": "Max core file size",
    "data": "Max data size",
    "fsize": "Max file size",
    "memlock": "Max locked memory",
    "nofile": "Max open files",
    "nproc": "Max processes",
    "stack": "Max stack size",
}


@pytest.mark.control("shm-and-ulimits")
def test_the_limits_of_a_process_are_those_of_the_contract(host, contract):
    """By the kernel; limits that it counts in another unit than the engine are the engine's word alone."""
    rows = host.check_output("cat /proc/1/limits").splitlines()
    for name, limit in contract.ulimits:
        title = LIMITS.get(name)
        line = next((row for row in rows if title and row.startswith(title)), None)
        if line is not None:
            wanted = ["unlimited" if value == -1 else str(value) for value in (limit.soft, limit.hard)]
            assert line[len(title) :].split()[:2] == wanted, f"{name}: {line}"
