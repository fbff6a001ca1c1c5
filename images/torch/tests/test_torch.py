"""PyTorch at work in a container without a GPU: it learns, it infers, it says that no GPU is there."""

import pytest


@pytest.mark.python("import json, torch; print(json.dumps(torch.version.cuda.split('.')[0]))", stays=True)
def test_it_is_built_for_the_declared_cuda(answer, image):
    assert answer == dict(image.config.labels)["temper.gpu.cuda"]


@pytest.mark.python("""
        import json, torch
        torch.manual_seed(1)
        x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        y = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
        net = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
        loss_of = torch.nn.BCEWithLogitsLoss()
        optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
        losses = []
        for _ in range(300):
            optimizer.zero_grad()
            loss = loss_of(net(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        right = ((net(x) > 0) == y.bool()).all().item()
        print(json.dumps([losses[0], losses[-1], right]))
    """)
def test_a_net_learns_what_no_line_divides(answer):
    first, last, right = answer
    assert first > 0.5
    assert last < 0.02
    assert right is True


@pytest.mark.python("""
        import json, torch
        torch.manual_seed(2)
        double = torch.float64
        x = torch.randn(3, 4, dtype=double, requires_grad=True)
        w = torch.randn(4, 5, dtype=double, requires_grad=True)

        def f(x, w):
            return torch.softmax(torch.tanh(x @ w), dim=1).pow(2).sum()

        f(x, w).backward()
        worst, step = 0.0, 1e-6
        for tensor in (x, w):
            for at in range(tensor.numel()):
                with torch.no_grad():
                    flat = tensor.view(-1)
                    flat[at] += step
                    above = f(x, w)
                    flat[at] -= 2 * step
                    below = f(x, w)
                    flat[at] += step
                slope = (above - below) / (2 * step)
                worst = max(worst, abs(slope - tensor.grad.view(-1)[at]).item())
        print(json.dumps(worst))
    """)
def test_gradients_are_those_of_small_differences(answer):
    assert answer < 1e-8


@pytest.mark.python("""
        import json, torch
        torch.manual_seed(3)
        image, kernel = torch.randn(1, 2, 6, 7), torch.randn(3, 2, 3, 3)
        with torch.inference_mode():
            found = torch.nn.functional.conv2d(image, kernel, padding=1)[0].tolist()
        values, weights = image[0].tolist(), kernel.tolist()

        def at(channel, row, column):
            inside = 0 <= row < 6 and 0 <= column < 7
            return values[channel][row][column] if inside else 0.0

        worst = 0.0
        for out in range(3):
            for row in range(6):
                for column in range(7):
                    total = sum(
                        at(channel, row + down - 1, column + right - 1) * weights[out][channel][down][right]
                        for channel in range(2) for down in range(3) for right in range(3)
                    )
                    worst = max(worst, abs(total - found[out][row][column]))
        print(json.dumps(worst))
    """)
def test_inference_gives_the_numbers_of_plain_python(answer):
    assert answer < 1e-5


@pytest.mark.python("""
        import json, os, torch
        from torch.utils.data import DataLoader

        class Squares(torch.utils.data.Dataset):
            def __len__(self):
                return 64
            def __getitem__(self, at):
                return torch.full((256, 256), float(at * at)), os.getpid()

        totals, workers = 0.0, set()
        for batch, pids in DataLoader(Squares(), batch_size=8, num_workers=2):
            totals += batch[:, 0, 0].sum().item()
            workers.update(pids.tolist())
        print(json.dumps([totals, len(workers), os.getpid() in workers]))
    """)
def test_data_loaders_hand_batches_over_in_shared_memory(answer):
    assert answer == [float(sum(at * at for at in range(64))), 2, False]


@pytest.mark.python("""
        import json, torch
        from safetensors.torch import load_file, save_file
        torch.manual_seed(4)
        one, other = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)
        save_file(one.state_dict(), "/tmp/weights.safetensors")
        torch.save(one.state_dict(), "/tmp/weights.pt")
        same = []
        pickled = torch.load("/tmp/weights.pt", weights_only=True)
        for state in (load_file("/tmp/weights.safetensors"), pickled):
            torch.nn.init.zeros_(other.weight)
            other.load_state_dict(state)
            same.append(torch.equal(one.weight, other.weight) and torch.equal(one.bias, other.bias))
        print(json.dumps(same))
    """)
def test_weights_are_saved_and_read_back(answer):
    assert answer == [True, True]


@pytest.mark.control("no-driver-files")
@pytest.mark.python("""
        import json, torch
        try:
            torch.zeros(1, device="cuda")
            said = ""
        except Exception as error:
            said = str(error)
        print(json.dumps([torch.cuda.is_available(), torch.cuda.device_count(), said]))
    """)
def test_without_a_gpu_it_says_so(answer):
    available, count, said = answer
    assert (available, count) == (False, 0)
    assert "no NVIDIA driver" in said.replace("Found no", "no")


@pytest.mark.control("elf-closure")
@pytest.mark.python("""
        import ctypes, glob, json, os, torch
        folder = os.path.dirname(os.path.dirname(torch.__file__))
        said = {}
        for library in sorted(glob.glob(f"{folder}/nvidia/**/lib/*.so*", recursive=True)):
            try:
                ctypes.CDLL(library)
            except OSError as error:
                said[os.path.basename(library)] = str(error).partition(":")[0]
        with open("/proc/self/maps") as maps:
            mapped = {line.split(maxsplit=5)[5].strip() for line in maps if "/nvidia/" in line}
        print(json.dumps([said, len(mapped), sorted({os.stat(path).st_uid for path in mapped})]))
    """)
def test_every_library_of_cuda_loads_but_for_the_driver(answer):
    """Only what the driver brings may be missing."""
    said, mapped, owners = answer
    assert set(said.values()) <= {"libcuda.so.1", "libnvidia-ml.so.1"}, said
    assert mapped > 10
    assert owners == [0]


@pytest.mark.control("writable-caches")
@pytest.mark.python("""
        import json, os, torch
        names = ("HF_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "XDG_CACHE_HOME")
        places = [torch.hub.get_dir(), *(os.environ[name] for name in names)]
        for place in places:
            os.makedirs(place, exist_ok=True)
            with open(f"{place}/kept", "w") as file:
                file.write("x")
        print(json.dumps(places))
    """)
def test_caches_lie_where_they_can_be_written(answer):
    assert all(place.startswith(("/tmp/", "/cache/")) for place in answer), answer


@pytest.mark.control("telemetry-off")
@pytest.mark.python("""
        import json, os
        print(json.dumps([os.environ.get(name) for name in ("DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY")]))
    """)
def test_telemetry_is_off(answer):
    assert answer == ["1", "1"]
