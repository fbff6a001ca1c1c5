"""What importing another package first has loaded, and what it has not."""

from builder.model.tree import Bytes, Elf, Entry, Facts, Kind, Rootfs
from builder.rootfs.closure import missing
from builder.rootfs.imported import lacking_after_imports, package_of

SITE = "usr/local/lib/python3.13/dist-packages"


def elf(path: str, *needed: str) -> Entry:
    content = Bytes(b"", Facts(elf=Elf(machine="x86_64", needed=needed)))
    return Entry(path=path, kind=Kind.FILE, mode=0o644, content=content)


TORCH = (
    elf(f"{SITE}/torch/lib/libtorch.so"),
    elf(f"{SITE}/torch/lib/libtorch_cuda.so", "libcudart.so.13"),
    elf(f"{SITE}/nvidia/cu13/lib/libcudart.so.13"),
)


def lacking(*entries: Entry) -> list[tuple[str, str]]:
    tree = Rootfs().with_entries(entries)
    found = lacking_after_imports(tree, missing(tree))
    gaps = [(gap.path.rpartition("/")[2], gap.soname) for gap in found]
    return [gap for gap in gaps if gap[0] != "libtorch_cuda.so"]


def test_an_extension_of_torch_finds_what_torch_has_loaded() -> None:
    module = elf(f"{SITE}/vllm/_C.abi3.so", "libtorch.so", "libcudart.so.13")
    assert lacking(*TORCH, module) == []


def test_so_does_another_module_of_the_same_package() -> None:
    modules = (
        elf(f"{SITE}/vllm/_C.abi3.so", "libtorch.so"),
        elf(f"{SITE}/vllm/deep/x.so", "libcudart.so.13"),
    )
    assert lacking(*TORCH, *modules) == []


def test_a_package_that_is_not_linked_against_torch_does_not() -> None:
    modules = (elf(f"{SITE}/vllm/_C.abi3.so", "libtorch.so"), elf(f"{SITE}/other/x.so", "libcudart.so.13"))
    assert lacking(*TORCH, *modules) == [("x.so", "libcudart.so.13")]


def test_what_torch_does_not_load_is_missing_still() -> None:
    module = elf(f"{SITE}/vllm/_C.abi3.so", "libtorch.so", "libgone.so.1")
    assert lacking(*TORCH, module) == [("_C.abi3.so", "libgone.so.1")]


def test_without_torch_everything_is_missing() -> None:
    module = elf(f"{SITE}/vllm/_C.abi3.so", "libtorch.so")
    assert lacking(module) == [("_C.abi3.so", "libtorch.so")]


def test_programs_import_nothing() -> None:
    assert lacking(*TORCH, elf("usr/bin/x", "libtorch.so")) == [("x", "libtorch.so")]
    assert package_of("usr/bin/x") == ""
    assert package_of("usr/lib/python3/dist-packages/six.so") == ""
