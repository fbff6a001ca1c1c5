"""Training in several processes, on the CPU by gloo, and that what NCCL opens by name for RDMA is there."""

import pytest

STEP = """
        import json, os, sys, torch, torch.distributed as dist
        from torch.nn.parallel import DistributedDataParallel

        dist.init_process_group("gloo")
        rank, world = dist.get_rank(), dist.get_world_size()
        total = torch.tensor([float(rank + 1)])
        dist.all_reduce(total)
        torch.manual_seed(0)
        net = DistributedDataParallel(torch.nn.Linear(4, 1))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        data = torch.randn(8, 4, generator=torch.Generator().manual_seed(7))
        wanted = data.sum(dim=1, keepdim=True)
        for _ in range(20):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(net(data[rank::world]), wanted[rank::world]).backward()
            optimizer.step()
        parts = [torch.zeros(1, 4) for _ in range(world)]
        dist.all_gather(parts, net.module.weight.data)
        if rank == 0:
            with open("/tmp/step.json", "w") as file:
                json.dump([total.item(), world, [part[0].tolist() for part in parts]], file)
        dist.destroy_process_group()
"""

JOB = f"""
        import json, pathlib, subprocess, sys, textwrap, torch
        pathlib.Path("/tmp/step.py").write_text(textwrap.dedent({STEP!r}))
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        done = subprocess.run([*launcher, "/tmp/step.py"], capture_output=True, text=True, timeout=300)
        if done.returncode:
            sys.exit(done.stderr[-2000:])
        total, world, weights = json.loads(pathlib.Path("/tmp/step.json").read_text())
        torch.manual_seed(0)
        net = torch.nn.Linear(4, 1)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        data = torch.randn(8, 4, generator=torch.Generator().manual_seed(7))
        for _ in range(20):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(net(data), data.sum(dim=1, keepdim=True)).backward()
            optimizer.step()
        print(json.dumps([total, world, weights, net.weight[0].tolist()]))
"""


@pytest.mark.python("import json, torch; print(json.dumps(torch.version.cuda.split('.')[0]))", stays=True)
def test_it_is_built_for_the_declared_cuda(answer, image):
    assert answer == dict(image.config.labels)["temper.gpu.cuda"]


@pytest.mark.python(JOB)
def test_two_processes_learn_what_one_would_have(answer):
    """torchrun starts them; each sees half of the data, and their gradients are averaged by gloo."""
    total, world, weights, alone = answer
    assert (total, world) == (3.0, 2)
    assert weights[0] == weights[1]
    assert weights[0] == pytest.approx(alone, abs=1e-5)


@pytest.mark.python("""
        import ctypes, json, torch, torch.distributed as dist
        there = [dist.is_gloo_available(), dist.is_nccl_available()]
        print(json.dumps([*there, list(torch.cuda.nccl.version())]))
    """)
def test_nccl_is_there(answer):
    gloo, nccl, version = answer
    assert (gloo, nccl) == (True, True)
    assert version[0] >= 2


@pytest.mark.control("rdma-libraries")
@pytest.mark.python("""
        import ctypes, json
        verbs = ctypes.CDLL("libibverbs.so.1", use_errno=True)
        manager = ctypes.CDLL("librdmacm.so.1", use_errno=True)
        verbs.ibv_get_device_list.restype = ctypes.POINTER(ctypes.c_void_p)
        count = ctypes.c_int(-1)
        found = verbs.ibv_get_device_list(ctypes.byref(count))
        channel = manager.rdma_create_event_channel
        channel.restype = ctypes.c_void_p
        made = channel()
        print(json.dumps([count.value if found else ctypes.get_errno(), bool(made)]))
    """)
def test_verbs_answer_that_no_adapter_is_here(answer):
    """0 adapters, or ENODEV (19) or ENOSYS (38) where the kernel has no RDMA: the library's own answers."""
    found, channel = answer
    assert found in (0, 19, 38)
    assert channel is False


@pytest.mark.control("rdma-libraries")
@pytest.mark.python("""
        import ctypes, glob, json, os
        said = {}
        for path in glob.glob("/usr/lib/*/libibverbs/lib*-rdmav*.so"):
            try:
                ctypes.CDLL(path)
            except OSError as error:
                said[os.path.basename(path)] = str(error)
        print(json.dumps([said, sorted(os.listdir("/etc/libibverbs.d"))]))
    """)
def test_every_provider_loads_and_is_listed(answer):
    failed, drivers = answer
    assert failed == {}
    assert "mlx5.driver" in drivers


@pytest.mark.control("shm-and-ulimits")
@pytest.mark.python("""
        import json, os
        found = os.statvfs("/dev/shm")
        print(json.dumps(found.f_blocks * found.f_frsize))
    """)
def test_shared_memory_has_the_size_that_was_asked_for(answer, contract):
    assert (contract.shm, answer) == ("8g", 8 << 30)
