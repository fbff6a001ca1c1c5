"""What the makers of libraries ask of whoever passes an image on, for the reader of its report."""

import re
from collections.abc import Iterable, Iterator

from builder.model.image import Image

_DEB = re.compile(
    r"cuda-(?!keyring|repo)|libcu(blas|dnn|fft|file|rand|solver|sparse|tensor)|libn(ccl|pp|vfatbin|vinfer|vjitlink|vjpeg|vrtc)"
    r"|libnvidia-|tensorrt"
)
"""As NVIDIA's own archive of Debian packages calls them."""
_LIBRARY = re.compile(
    r"lib(cublas(Lt)?|cudart|cudnn\w*|cufft\w*|cufile|curand|cusolver\w*|cusparse\w*|cutensor\w*|nccl|npp\w+"
    r"|nvJitLink|nvfatbin|nvinfer\w*|nvjpeg|nvrtc[\w-]*)(-[0-9a-f]{8})?\.so(\.[0-9.]+)?"
)
"""A name that a wheel's repair tool has changed holds eight digits of a hash."""
SHOWN = 5


def carried_terms(image: Image, packages: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """`packages` by kind (`deb`, `wheel`), name and version. Where none is NVIDIA's, libraries by name."""
    carried = [f"{name} {version}" for kind, name, version in packages if is_nvidia(kind, name)]
    where = "each wheel's .dist-info, or a package's folder below /usr/share/doc, holds the text"
    if not carried:
        carried, where = _libraries(image), "whoever put them there has the text"
    if carried:
        yield (
            f"NVIDIA's libraries ({', '.join(carried)}): may be passed on as part of an application that "
            "does more than they do, under terms that protect them as NVIDIA's own do (CUDA Toolkit EULA, "
            "1.1.2 and 1.2), and only what the EULA lists as distributable (2.6, attachment A); others, such "
            f"as cuDNN, have their own; {where}"
        )


def is_nvidia(kind: str, name: str) -> bool:
    if kind == "wheel":
        return name.startswith(("nvidia-", "tensorrt"))
    return _DEB.match(name) is not None or name.startswith("libcudart")


def _libraries(image: Image) -> list[str]:
    found = [
        f"/{path}" for path in image.rootfs if ".so" in path and _LIBRARY.fullmatch(path.rpartition("/")[2])
    ]
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return [*found[:SHOWN], *more]
