"""torch.compile at work in the hardened container: Inductor writes C++, g++ compiles it, Python maps it."""

import pytest


@pytest.mark.control("no-compilers")
@pytest.mark.python("""
        import json, os, pathlib, torch, torch._dynamo, torch._inductor.metrics as metrics
        torch.manual_seed(5)

        def f(x, w):
            return torch.nn.functional.gelu(x @ w).sin().sum(dim=1) * 3 + 1

        x, w = torch.randn(64, 32), torch.randn(32, 16)
        compiled = torch.compile(f, backend="inductor", fullgraph=True)
        worst = (compiled(x, w) - f(x, w)).abs().max().item()
        cache = pathlib.Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])
        with open("/proc/self/maps") as maps:
            mapped = {line.split(maxsplit=5)[5].strip() for line in maps if str(cache) in line}
        made = [path.suffix for path in cache.rglob("*") if path.suffix in (".cpp", ".so")]
        print(json.dumps([worst, metrics.generated_kernel_count, sorted(set(made)), len(mapped), str(cache)]))
    """)
def test_inductor_compiles_for_the_cpu(answer):
    worst, kernels, made, mapped, cache = answer
    assert worst < 1e-5
    assert kernels >= 1
    assert made == [".cpp", ".so"]
    assert mapped >= 1
    assert cache.startswith("/cache/")


@pytest.mark.control("no-compilers")
@pytest.mark.python("""
        import json, torch
        torch.manual_seed(6)
        net = torch.nn.Sequential(torch.nn.Linear(4, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
        compiled = torch.compile(net)
        x = torch.randn(128, 4)
        y = (x[:, :1] * x[:, 1:2]).abs()
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
        losses = []
        for _ in range(100):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(compiled(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(json.dumps([losses[0], losses[-1]]))
    """)
def test_a_compiled_net_learns(answer):
    """Forward and backward are compiled, so that a mistake in either shows."""
    first, last = answer
    assert last < first / 3


@pytest.mark.control("no-compilers")
@pytest.mark.python("""
        import json, os, subprocess, triton
        folder = os.path.join(os.path.dirname(triton.__file__), "backends/nvidia/bin")
        found = {}
        for name in ("ptxas", "ptxas-blackwell"):
            path = os.path.join(folder, name)
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
            is_itself = "NVIDIA (R) Ptx optimizing" in said
            found[name] = [os.stat(path).st_uid, os.access(path, os.W_OK), is_itself]
        print(json.dumps(found))
    """)
def test_ptxas_runs_and_is_root_s(answer):
    assert answer == {"ptxas": [0, False, True], "ptxas-blackwell": [0, False, True]}


@pytest.mark.control("no-compilers")
@pytest.mark.python("""
        import json, os, pathlib, sys
        sys.path.insert(0, "/tmp")
        pathlib.Path("/tmp/kernels.py").write_text(
            "import triton\\n"
            "import triton.language as tl\\n"
            "@triton.jit\\n"
            "def add(x, y, out, count, BLOCK: tl.constexpr):\\n"
            "    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)\\n"
            "    inside = at < count\\n"
            "    tl.store(out + at, tl.load(x + at, inside) + tl.load(y + at, inside), inside)\\n"
        )
        import kernels, triton
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource

        types = {"x": "*fp32", "y": "*fp32", "out": "*fp32", "count": "i32", "BLOCK": "constexpr"}
        source = ASTSource(kernels.add, types, constexprs={"BLOCK": 128})
        found = {}
        for capability in (80, 90, 100):
            made = triton.compile(source, target=GPUTarget("cuda", capability, 32)).asm
            found[capability] = [f".target sm_{capability}" in made["ptx"], made["cubin"][:4].hex()]
        print(json.dumps([found, len(os.listdir(os.environ["TRITON_CACHE_DIR"])) > 0]))
    """)
def test_triton_compiles_a_kernel_for_gpus_that_are_not_here(answer):
    """To PTX, and by ptxas to a program of the GPU, which is an ELF file."""
    found, cached = answer
    assert found == {name: [True, "7f454c46"] for name in ("80", "90", "100")}
    assert cached is True


@pytest.mark.control("scratch-tmpfs")
def test_only_the_cache_may_hold_programs(mounts):
    options = {mount.path: set(mount.options) for mount in mounts if mount.path in ("/tmp", "/cache")}
    assert "noexec" in options["/tmp"]
    assert "noexec" not in options["/cache"]
    assert {"nosuid", "nodev"} <= options["/cache"]
