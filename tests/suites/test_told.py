"""What the engine says that it was told, against the contract: the fields that test_contract.py leaves out.

Where the kernel shows the same and no other test asks it, it is asked too.
"""

import json

import pytest

from builder.model.contract import tmpfs_options
from builder.model.scheduling import ANY, numbers

CAPABILITIES = {"NET_BIND_SERVICE": 1 << 10}
UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@pytest.fixture(scope="session")
def told(inspected):
    return inspected["HostConfig"]


@pytest.fixture(scope="session")
def mask(contract):
    return sum(CAPABILITIES[name] for name in contract.capabilities)


def test_the_groups_are_those_that_the_engine_was_told(told, contract):
    assert sorted(told["GroupAdd"] or ()) == sorted(str(group) for group in contract.groups)


def test_only_declared_capabilities_return(told, contract):
    found = sorted(name.removeprefix("CAP_") for name in told["CapAdd"] or ())
    assert found == sorted(contract.capabilities), f"CapAdd is {told['CapAdd']}"


def test_the_bounding_set_is_what_returns(pid1, mask):
    found = pid1.capabilities("Bnd")
    assert found == mask, f"the bounding set is {found:#x}, the contract says {mask:#x}"


def test_new_privileges_are_refused_by_the_engine(told):
    options = [item.replace("=", ":") for item in told["SecurityOpt"] or ()]
    assert {"no-new-privileges", "no-new-privileges:true"} & set(options), f"SecurityOpt is {options}"


def test_the_seccomp_profile_is_that_of_the_contract(told, contract):
    found = [item.partition("=")[2] for item in told["SecurityOpt"] or () if item.startswith("seccomp=")]
    if not contract.seccomp:
        assert not set(found) - {"builtin", "default"}, "another profile than the engine's own"
    else:
        assert [json.loads(text) for text in found] == [json.loads(contract.seccomp)]


def test_scratch_space_is_what_the_engine_was_told(told, contract):
    found = {path: set(text.split(",")) for path, text in (told.get("Tmpfs") or {}).items()}
    wanted = {item.path: set(tmpfs_options(contract, item).split(",")) for item in contract.tmpfs}
    assert set(found) == set(wanted), f"Tmpfs has {', '.join(sorted(found)) or 'nothing'}"
    for path, options in wanted.items():
        assert options <= found[path], f"{path} lacks {sorted(options - found[path])}"


def test_state_is_what_the_engine_was_told(inspected, contract):
    found = {mount["Destination"]: mount["RW"] for mount in inspected["Mounts"]}
    for item in contract.state:
        if item.path in found:  # else an empty tmpfs, of which the kernel tells
            assert found[item.path] is (item.mode == "rw"), f"{item.path} is not {item.mode}"


def test_shared_memory_is_what_the_engine_was_told(told, contract):
    wanted = int(contract.shm[:-1]) * UNITS[contract.shm[-1]]
    assert told["ShmSize"] == wanted, f"the engine was told {told['ShmSize']} bytes"


def test_devices_are_what_the_engine_was_told(host, told, contract):
    found = {
        (item["PathOnHost"], item["PathInContainer"], item["CgroupPermissions"])
        for item in told["Devices"] or ()
    }
    assert found == {(item.path, item.path, item.permissions) for item in contract.devices}
    for item in contract.devices:
        assert host.file(item.path).exists, f"{item.path} is not there"


def test_no_device_is_asked_for_in_another_way(told):
    assert not told.get("DeviceRequests"), f"DeviceRequests is {told['DeviceRequests']}"
    assert not told.get("DeviceCgroupRules"), f"DeviceCgroupRules is {told['DeviceCgroupRules']}"


def test_every_setting_could_be_set(subject):
    """The others are no part of the contract that the suites are told of."""
    if subject.refused:
        pytest.skip("; ".join(f"{name}: {reason}" for name, reason in subject.refused.items()))


def test_ulimits_are_what_the_engine_was_told(told, contract):
    found = {item["Name"]: (item["Soft"], item["Hard"]) for item in told["Ulimits"] or ()}
    wanted = {name: (limit.soft, limit.hard) for name, limit in contract.ulimits}
    assert {name: found.get(name) for name in wanted} == wanted


def allowed(pid1, kind):
    return numbers(pid1.fields[f"{kind}_allowed_list"])


def test_the_processors_are_those_of_the_contract(told, pid1, contract):
    wanted = "" if contract.cpuset_cpus == ANY else contract.cpuset_cpus
    assert told["CpusetCpus"] == wanted, f"the engine was told '{told['CpusetCpus']}'"
    if wanted:
        assert allowed(pid1, "Cpus") == numbers(wanted), f"it runs on {sorted(allowed(pid1, 'Cpus'))}"


def test_the_memory_nodes_are_those_of_the_contract(told, pid1, contract):
    wanted = "" if contract.cpuset_mems == ANY else contract.cpuset_mems
    assert told["CpusetMems"] == wanted, f"the engine was told '{told['CpusetMems']}'"
    if wanted:
        assert allowed(pid1, "Mems") == numbers(wanted), f"it takes memory of {sorted(allowed(pid1, 'Mems'))}"


def test_variables_that_are_given_at_the_start_are_there(host, contract):
    """In the first process, and so in all."""
    text = host.check_output("cat /proc/1/environ") if contract.given else ""
    found = dict(item.partition("=")[::2] for item in text.split("\0"))
    wrong = [name for name, value in contract.given if found.get(name) != value]
    assert not wrong, f"not as the contract has them: {', '.join(wrong)}"


def test_the_network_is_that_of_the_contract(host, inspected, told, contract):
    mode = told["NetworkMode"]
    if contract.network == "default":
        assert mode in ("default", "bridge", "pasta", "slirp4netns"), f"NetworkMode is '{mode}'"
    else:
        assert mode == contract.network, f"NetworkMode is '{mode}'"
        assert list(inspected["NetworkSettings"]["Networks"]) == [contract.network]
    routes = host.check_output("cat /proc/net/route").splitlines()[1:]
    assert not routes or contract.network != "none", f"there is a way out: {routes[0]}"


def test_ports_are_published_on_the_contracts_interface(told, contract):
    bindings = told["PortBindings"] or {}
    assert set(bindings) == {f"{port}/tcp" for port in contract.published}, f"published: {sorted(bindings)}"
    for port, places in bindings.items():
        addresses = [place["HostIp"] for place in places]
        assert addresses == [contract.interface], f"{port} is published on {', '.join(addresses)}"
    assert not told["PublishAllPorts"]
