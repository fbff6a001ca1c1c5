"""The run contract, twice: what the engine was told, and what the kernel does.

The words of an engine prove nothing by themselves: each limit is looked up in /proc, too, where it shows.
"""

import pytest

UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
KINDS = {"Inh": "inheritable", "Prm": "permitted", "Eff": "effective", "Bnd": "bounding", "Amb": "ambient"}
DEVICES = {"console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr"}
DEVICES |= {"stdin", "stdout", "tty", "urandom", "zero"}
ENGINES_OWN = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev/shm", "/dev/mqueue", "/dev/pts"}
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


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_no_capabilities(pid1, kind):
    assert pid1.capabilities(kind) == 0, f"{KINDS[kind]} capabilities: {pid1.capabilities(kind):#x}"


def test_the_engine_was_told_to_drop_all_capabilities(told):
    assert told["CapDrop"] == ["ALL"], f"CapDrop is {told['CapDrop']}"
    assert not told["CapAdd"], f"CapAdd is {told['CapAdd']}"


def test_it_is_not_privileged(told):
    assert told["Privileged"] is False


def test_no_new_privileges(pid1):
    assert pid1.no_new_privileges


def test_a_seccomp_filter_is_active(pid1, told):
    assert pid1.seccomp == 2, f"Seccomp is {pid1.seccomp}"
    assert not [item for item in told["SecurityOpt"] or () if "unconfined" in item]


def test_the_root_is_read_only(mounts, told):
    assert told["ReadonlyRootfs"] is True
    assert "ro" in mount_at(mounts, "/").options


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


def test_nothing_else_is_mounted(mounts, contract):
    declared = {item.path for item in (*contract.tmpfs, *contract.state)}
    kernel = ("/proc", "/sys", "/dev")
    found = [mount.path for mount in mounts if mount.path not in declared | ENGINES_OWN | {"/"}]
    other = [path for path in found if not f"{path}/".startswith(tuple(f"{top}/" for top in kernel))]
    assert not other, f"also mounted: {', '.join(other)}"


def test_the_socket_of_the_engine_is_out_of_reach(host, inspected):
    sources = [mount.get("Source", "") for mount in inspected["Mounts"]]
    assert not [source for source in sources if source.endswith((".sock", "/run", "/"))], f"{sources}"
    assert not host.file("/var/run/docker.sock").exists


def test_no_mount_is_shared_with_the_host(inspected):
    shared = [
        mount["Destination"] for mount in inspected["Mounts"] if "shared" in mount.get("Propagation", "")
    ]
    assert not shared, f"shared: {', '.join(shared)}"


@pytest.mark.parametrize(
    "name", ["NetworkMode", "PidMode", "IpcMode", "UTSMode", "UsernsMode", "CgroupnsMode"]
)
def test_no_namespace_is_shared_with_the_host(told, name):
    mode = told.get(name) or ""
    shared = mode.startswith("container:") or (mode == "host" and name != "CgroupnsMode")
    assert not shared, f"{name} is '{mode}'"


def test_there_are_no_devices_but_the_usual(host, told):
    assert not told["Devices"], f"Devices is {told['Devices']}"
    extra = set(host.file("/dev").listdir()) - DEVICES
    assert not extra, f"in /dev: {', '.join(sorted(extra))}"


def test_memory_is_limited(host, told, contract):
    assert told["Memory"] == size(contract.memory), f"the engine was told {told['Memory']} bytes"
    assert cgroup(host, "memory.max", "memory/memory.limit_in_bytes") == [str(size(contract.memory))]


def test_swap_adds_nothing_to_it(told):
    assert told["MemorySwap"] == told["Memory"], f"memory and swap: {told['MemorySwap']} bytes"


def test_processes_are_limited(host, told, contract):
    assert told["PidsLimit"] == contract.pids, f"the engine was told {told['PidsLimit']}"
    assert cgroup(host, "pids.max", "pids/pids.max") == [str(contract.pids)]


def test_processor_time_is_limited(host, told, contract):
    assert told["NanoCpus"] == round(contract.cpus * 1e9), f"the engine was told {told['NanoCpus']}"
    quota = cgroup(host, "cpu.max", "cpu/cpu.cfs_quota_us")[0]
    assert int(quota) == round(contract.cpus * 100_000), f"{quota} us in every 100 ms"


def test_shared_memory_is_limited(mounts, contract):
    found = mount_at(mounts, "/dev/shm").option("size")
    assert kernel_size(found) == size(contract.shm), f"/dev/shm has {found}"


def test_the_user_is_as_in_the_contract(inspected, contract):
    assert inspected["Config"]["User"] == contract.user, f"started as '{inspected['Config']['User']}'"


def test_the_working_directory_is_as_in_the_contract(host, inspected, contract):
    assert (inspected["Config"]["WorkingDir"] or "/") == contract.workdir
    assert host.check_output("pwd") == contract.workdir


def test_the_stop_signal_is_as_in_the_contract(inspected, contract):
    assert inspected["Config"]["StopSignal"] == contract.stop_signal


@pytest.mark.parametrize("path", MASKED)
def test_kernel_secrets_are_masked(host, path):
    """Where the kernel has no such file, there is nothing to read either."""
    assert host.run("cat %s", path).stdout == "", f"{path} can be read"


def test_kernel_settings_cannot_be_written(mounts):
    assert "ro" in mount_at(mounts, "/proc/sys").options


def test_the_restart_policy_is_bounded(told):
    policy = told["RestartPolicy"]
    assert policy["Name"] in ("", "no") or policy["MaximumRetryCount"] > 0, f"it restarts for ever: {policy}"
