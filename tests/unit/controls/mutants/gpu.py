"""Images that break what the controls of GPUs and of the loader ask."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from builder.model.plan import Plan
from builder.model.spec import GpuSpec
from tests.unit.controls.mutant import mutant
from tests.unit.controls.sound import (
    GROUP,
    below,
    directory,
    drop,
    elf,
    file,
    link,
    put,
    set_env,
    wheel,
)

COMPAT = "usr/local/cuda-13.0/compat"
OWNED = ("owned-files",)
LIBC = "usr/lib/x86_64-linux-gnu/libc.so.6"


def gpu(vendor: Any, **more: Any) -> Callable[[Plan], Plan]:
    return lambda plan: replace(
        plan, spec=plan.spec.model_copy(update={"gpu": GpuSpec(vendor=vendor, **more)})
    )


def soname(path: str) -> Any:
    return elf(path, soname=path.rpartition("/")[2])


DRIVER = (
    mutant(
        "no-driver-files",
        "the driver's library",
        put(soname("app/libcuda.so.1")),
        "app/libcuda.so.1 is a library of NVIDIA's driver",
    ),
    mutant(
        "no-driver-files",
        "a stub",
        put(soname("app/stubs/libnvidia-ml.so")),
        "app/stubs/libnvidia-ml.so is a library of NVIDIA's driver",
    ),
    mutant(
        "no-driver-files",
        "an empty one",
        put(file("app/libnvidia-ptxjitcompiler.so.580.65.06", "")),
        "app/libnvidia-ptxjitcompiler.so.580.65.06 is a library of NVIDIA's driver",
    ),
    mutant(
        "no-driver-files",
        "a link",
        put(link("app/libEGL_nvidia.so.0", "libEGL_nvidia.so.580.65.06")),
        "app/libEGL_nvidia.so.0 is a library of NVIDIA's driver",
    ),
    mutant(
        "no-driver-files",
        "a program",
        put(elf("app/nvidia-smi")),
        "app/nvidia-smi is a program of NVIDIA's driver",
    ),
    mutant(
        "no-driver-files",
        "firmware",
        put(file("usr/lib/firmware/nvidia/580.65.06/gsp_ga10x.bin")),
        "usr/lib/firmware/nvidia is firmware of NVIDIA's driver",
        also=OWNED,
    ),
    mutant(
        "no-driver-files",
        "in a layer below",
        below(soname("app/libcuda.so.1")),
        "app/libcuda.so.1 is a library of NVIDIA's driver, hidden in layer sha256:lower",
        mended=False,
        also=("no-shadowed-content",),
    ),
    mutant(
        "cuda-compat",
        "undeclared",
        put(soname(f"{COMPAT}/libcuda.so.580.65.06")),
        f"{COMPAT}/libcuda.so.580.65.06 is not declared",
        also=OWNED,
    ),
    mutant(
        "cuda-compat",
        "in a layer below",
        below(soname(f"{COMPAT}/libcuda.so.580.65.06")),
        f"{COMPAT}/libcuda.so.580.65.06 is not declared, hidden in layer sha256:lower",
        mended=False,
        also=("no-shadowed-content",),
    ),
    mutant(
        "cuda-compat",
        "declared, and a link out of it",
        put(link(f"{COMPAT}/libcuda.so.580.65.06", "/etc/passwd")),
        f"{COMPAT}/libcuda.so.580.65.06 leads to '/etc/passwd', out of its folder",
        parameters={"declared": True},
        mended=False,
    ),
    mutant(
        "cuda-compat",
        "declared, and another's",
        put(soname(f"{COMPAT}/libcuda.so.580.65.06").replace(uid=65532, gid=65532)),
        f"{COMPAT}/libcuda.so.580.65.06 is not root's alone to write (65532:65532, mode 0755)",
        parameters={"declared": True},
        mended=False,
        also=("owned-files", "code-owned-by-root"),
    ),
)

LOADING = (
    mutant(
        "loader-environment",
        "a library before all others",
        set_env("LD_PRELOAD", "/usr/lib/x.so"),
        "variable LD_PRELOAD is '/usr/lib/x.so', which every process obeys",
    ),
    mutant(
        "loader-environment",
        "tunables",
        set_env("GLIBC_TUNABLES", "glibc.rtld.dynamic_sort=1"),
        "variable GLIBC_TUNABLES is 'glibc.rtld.dynamic_sort=1', which every process obeys",
    ),
    mutant(
        "loader-environment",
        "a file of it",
        put(file("etc/ld.so.preload", "/usr/lib/x.so\n")),
        "etc/ld.so.preload is loaded into every process",
    ),
    mutant(
        "loader-folders",
        "a link in the place of the configuration",
        put(link("etc/ld.so.conf.d", "../usr/lib")),
        "etc/ld.so.conf.d is a link to '../usr/lib', not a plain one",
        mended=False,
    ),
    mutant(
        "loader-folders",
        "a link in the place of the cache",
        put(link("etc/ld.so.cache", "/tmp/cache")),
        "etc/ld.so.cache is a link to '/tmp/cache', not a plain one",
        mended=False,
    ),
    mutant(
        "loader-folders",
        "a link that climbs out",
        put(link("usr/lib/firmware", "../../../lib")),
        "usr/lib/firmware is a link to '../../../lib', which is no folder inside the image",
        mended=False,
    ),
    mutant(
        "loader-folders",
        "a link to nowhere",
        put(link("usr/local/cuda", "/var/tmp/cuda")),
        "usr/local/cuda is a link to '/var/tmp/cuda', which is no folder inside the image",
        mended=False,
    ),
    mutant(
        "loader-folders",
        "the user's own folder",
        put(
            file("etc/ld.so.conf", "include ld.so.conf.d/*.conf\n"),
            file("etc/ld.so.conf.d/00-app.conf", "/var/lib/app\n"),
        ),
        "var/lib/app is the user's own, and libraries are looked for in it",
        mended=False,
    ),
    mutant(
        "loader-folders",
        "another's folder",
        put(file("etc/ld.so.conf", "/srv/lib\n"), directory("srv"), directory("srv/lib", 0o755, 1000)),
        "srv/lib is not root's alone to write (uid 1000, mode 0755), and libraries are looked for in it",
        mended=False,
        also=("code-owned-by-root", "owners-resolve"),
    ),
    mutant(
        "loader-folders",
        "a request of devices",
        put(directory("run/nvidia-container-devices")),
        "run/nvidia-container-devices asks NVIDIA's runtime for devices",
    ),
)

CUDA = (
    mutant(
        "one-cuda-major",
        "two majors",
        put(soname("app/libcudart.so.12"), soname("app/libcublas.so.13")),
        "app/libcudart.so.12 is of CUDA 12, other parts of the image of 13",
        mended=False,
    ),
    mutant(
        "one-cuda-major",
        "another than declared",
        put(soname("app/libnvrtc.so.12")),
        "app/libnvrtc.so.12 is of CUDA 12, image.yaml says 13",
        plan=gpu("nvidia", cuda="13"),
        mended=False,
    ),
    mutant(
        "one-cuda-major",
        "a program built for another",
        put(elf("app/kernels.so", "libcudart.so.12")),
        "app/kernels.so is of CUDA 12, image.yaml says 13",
        plan=gpu("nvidia", cuda="13"),
        mended=False,
        also=("elf-closure",),
    ),
    mutant(
        "one-cuda-major",
        "a wheel built for another",
        put(*wheel("cupy_cuda12x", "14.2.0", {"cupy/__init__.py": ""})),
        "usr/local/lib/python3.13/dist-packages/cupy_cuda12x-14.2.0.dist-info is of CUDA 12, "
        "image.yaml says 13",
        plan=gpu("nvidia", cuda="13"),
        mended=False,
        also=("package-set",),
    ),
    mutant(
        "glibc-for-cuda",
        "declared",
        drop(LIBC),
        "image.yaml needs NVIDIA's driver, and no libc.so.6 is in the image for it",
        plan=gpu("nvidia"),
        mended=False,
        also=("elf-closure",),
    ),
    mutant(
        "glibc-for-cuda",
        "by a library",
        lambda image: drop(LIBC)(put(soname("app/libcudart.so.13"))(image)),
        "app/libcudart.so.13 needs NVIDIA's driver, and no libc.so.6 is in the image for it",
        mended=False,
        also=("elf-closure",),
    ),
    mutant(
        "glibc-for-cuda",
        "by what it needs",
        lambda image: drop(LIBC)(put(elf("app/llama.so", "libcuda.so.1"))(image)),
        "app/llama.so needs NVIDIA's driver, and no libc.so.6 is in the image for it",
        mended=False,
        also=("elf-closure", "driver-capabilities"),
    ),
    mutant(
        "driver-capabilities",
        "no GPU is declared",
        put(elf("app/llama.so", "libcuda.so.1")),
        "app/llama.so needs 'libcuda.so.1' of NVIDIA's driver, and image.yaml declares none of its GPUs",
        mended=False,
    ),
    mutant(
        "driver-capabilities",
        "another part",
        put(elf("app/decode.so", "libcuda.so.1", "libnvcuvid.so.1")),
        "app/decode.so needs 'libnvcuvid.so.1' of NVIDIA's driver, which comes with 'video' only",
        plan=gpu("nvidia"),
        mended=False,
    ),
)

ACCELERATOR = (
    mutant(
        "gpu-libraries",
        "no user space of AMD",
        lambda image: image.replace(),
        "no library of HIP or HSA is in the image, which 'amd' needs",
        plan=gpu("amd"),
        mended=False,
    ),
    mutant(
        "gpu-libraries",
        "no user space of Intel",
        lambda image: image.replace(),
        "no library of Level Zero or OpenCL is in the image, which 'intel' needs",
        plan=gpu("intel"),
        mended=False,
    ),
    mutant(
        "gpu-libraries",
        "a number for the host's group",
        put(soname("app/libze_loader.so.1"), file("etc/group", GROUP + "render:x:109:\n")),
        "etc/group gives 'render' the number 109, which is another on each host",
        plan=gpu("intel"),
        mended=False,
    ),
    mutant(
        "rdma-libraries",
        "none",
        lambda image: image.replace(),
        "libibverbs.so.1 is not in the image, which declares RDMA",
        plan=gpu("nvidia", rdma=True),
        mended=False,
    ),
    mutant(
        "rdma-libraries",
        "no provider",
        put(soname("app/libibverbs.so.1")),
        "libibverbs.so.1 is in the image without a provider for any adapter",
        mended=False,
    ),
    mutant(
        "writable-caches",
        "in the image",
        set_env("HF_HOME", "/opt/huggingface"),
        "variable HF_HOME is '/opt/huggingface', where nothing is declared writable",
        mended=False,
    ),
    mutant(
        "writable-caches",
        "on a volume that is only read",
        set_env("TRITON_CACHE_DIR", "/models/triton"),
        "variable TRITON_CACHE_DIR is '/models/triton', where nothing is declared writable",
        mended=False,
    ),
    mutant(
        "telemetry-off",
        "not told",
        put(*wheel("onnxruntime_gpu", "1.31.1", {"onnxruntime/__init__.py": ""})),
        "variable ORT_DISABLE_TELEMETRY is not 1, so that 'onnxruntime-gpu' reports home",
        also=("package-set",),
    ),
    mutant(
        "telemetry-off",
        "told otherwise",
        lambda image: set_env("VLLM_NO_USAGE_STATS", "0")(
            set_env("DO_NOT_TRACK", "1")(put(*wheel("vllm", "0.32.0", {"vllm/__init__.py": ""}))(image))
        ),
        "variable VLLM_NO_USAGE_STATS is not 1, so that 'vllm' reports home",
        also=("package-set",),
    ),
)

GPU = (*DRIVER, *LOADING, *CUDA, *ACCELERATOR)
