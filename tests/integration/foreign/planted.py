"""A full Debian with one fault for each control, as `docker build` makes such images every day.

Faults that exclude each other are in images of their own, on a sound one: there nothing else may be caught.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Fault(NamedTuple):
    lines: str
    """Of the Dockerfile; empty where the full base or the missing setting is the fault."""
    evidence: str
    """Part of a finding."""
    mended: bool = True
    """Hardening alone takes it away."""


FAULTS: dict[str, Fault] = {
    "no-shadowed-content": Fault("", "app/deploy.pem is hidden by layer"),
    "no-secrets": Fault(
        "COPY deploy.pem /app/\nRUN rm /app/deploy.pem", "app/deploy.pem holds a private key, hidden in layer"
    ),
    "no-special-files": Fault("RUN mkfifo /app/pipe", "app/pipe is a fifo"),
    "no-shell": Fault("", "usr/bin/dash is a shell"),
    "no-package-manager": Fault("", "usr/bin/apt-get installs Debian packages"),
    "no-privilege-tools": Fault("", "usr/bin/su changes the user"),
    "no-remote-access": Fault("RUN cp /usr/bin/env /usr/sbin/sshd", "usr/sbin/sshd"),
    "no-download-tools": Fault("", "usr/bin/curl downloads files"),
    "no-compilers": Fault("RUN cp /usr/bin/env /usr/bin/gcc-14", "usr/bin/gcc-14"),
    "no-debuggers": Fault("RUN cp /usr/bin/env /usr/bin/strace", "usr/bin/strace"),
    "lean-tree": Fault(
        "RUN mkdir -p /var/cache/build && echo x > /var/cache/build/x", "var/cache/build is a cache"
    ),
    "clean-logs": Fault("RUN echo x > /var/log/app.log", "var/log/app.log"),
    "interpreter-closure": Fault(
        "RUN printf '#!/usr/bin/ruby\\n' > /usr/local/bin/tool && chmod 755 /usr/local/bin/tool",
        "usr/local/bin/tool is a script for '/usr/bin/ruby'",
    ),
    "nonroot-user": Fault("", "the image runs as root"),
    "numeric-user": Fault("USER root", "user 'root' is not written as uid:gid in digits"),
    "unique-ids": Fault("RUN echo toor:x:0:0::/root:/bin/bash >> /etc/passwd", "'toor' has uid 0"),
    "locked-passwords": Fault(
        "RUN echo 'app:$6$abc$def:19000:0:99999:7:::' >> /etc/shadow", "etc/shadow gives 'app' a password"
    ),
    "no-login-shells": Fault("", "'toor' has the login shell '/bin/bash'"),
    "account-files": Fault("RUN chmod 0644 /etc/shadow", "etc/shadow has mode 0644"),
    "owners-resolve": Fault("RUN touch /app/lost && chown 4711:4711 /app/lost", "belongs to uid 4711"),
    "no-setuid": Fault("RUN chmod 4755 /usr/local/bin/helper", "usr/local/bin/helper is setuid (mode 4755)"),
    "no-file-capabilities": Fault(
        "RUN python3 -c \"import os; os.setxattr('/usr/local/bin/capable', 'security.capability', "
        "bytes.fromhex('0100000200040000000000000000000000000000'))\"",
        "usr/local/bin/capable carries file capabilities",
    ),
    "no-world-writable": Fault("RUN mkdir -m 0777 /app/drop", "app/drop is world-writable"),
    "code-owned-by-root": Fault("RUN chown nobody /app/greeting.py", "app/greeting.py belongs to uid"),
    "python-startup": Fault("", "variable PYTHONSAFEPATH is not set"),
    "safe-path": Fault("ENV PATH=/usr/local/bin:.:/usr/bin:/bin", "PATH holds '.', which is not absolute"),
    "declared-ports": Fault("EXPOSE 80", "port 80/tcp is exposed, which is below 1024", mended=False),
    "no-system-volumes": Fault("VOLUME /usr/share/data", "volume '/usr/share/data'"),
    "gpu-request": Fault("ENV NVIDIA_VISIBLE_DEVICES=all", "variable NVIDIA_VISIBLE_DEVICES"),
    "declared-sysctls": Fault(
        "RUN mkdir -p /etc/sysctl.d && echo net.core.somaxconn=4096 > /etc/sysctl.d/90-fast.conf",
        "etc/sysctl.d/90-fast.conf is applied by nothing",
    ),
    "stop-signal": Fault("STOPSIGNAL SIGKILL", "SIGKILL"),
    "fips-claim": Fault("", "label 'temper.fips' is missing"),
    "approved-ca-bundle": Fault(
        "COPY stranger.pem /app/\nRUN cat /app/stranger.pem >> /etc/ssl/certs/ca-certificates.crt",
        "etc/ssl/certs/ca-certificates.crt holds 1 certificates that no package brings",
    ),
    "no-driver-files": Fault(
        "RUN touch /usr/lib/libcuda.so.1", "usr/lib/libcuda.so.1 is a library of NVIDIA's driver"
    ),
    "cuda-compat": Fault(
        "RUN mkdir -p /usr/local/cuda/compat && touch /usr/local/cuda/compat/libcuda.so.580.65.06",
        "usr/local/cuda/compat/libcuda.so.580.65.06 is not declared",
    ),
    "loader-environment": Fault(
        "ENV GLIBC_TUNABLES=glibc.rtld.optional_static_tls=512", "variable GLIBC_TUNABLES is"
    ),
    "loader-folders": Fault(
        "RUN mkdir /run/nvidia-container-devices",
        "run/nvidia-container-devices asks NVIDIA's runtime for devices",
    ),
    "licences": Fault(
        "RUN mkdir -p /app/site-packages/rented-1.0.dist-info && "
        "printf 'Metadata-Version: 2.4\\nName: rented\\nVersion: 1.0\\nLicense-Expression: SSPL-1.0\\n' "
        "> /app/site-packages/rented-1.0.dist-info/METADATA",
        "rented is under 'SSPL-1.0', which the profile doesn't allow",
        mended=False,
    ),
    "telemetry-off": Fault(
        "RUN mkdir -p /app/site-packages/onnxruntime-1.31.1.dist-info",
        "variable ORT_DISABLE_TELEMETRY is not 1, so that 'onnxruntime' reports home",
    ),
    "one-cuda-major": Fault(
        "RUN mkdir /app/site-packages/cupy_cuda12x-14.2.0.dist-info && "
        "mkdir /app/site-packages/nvidia_nccl_cu13-2.32.dist-info",
        "cupy_cuda12x-14.2.0.dist-info is of CUDA 12, other parts of the image of 13",
        mended=False,
    ),
    "driver-capabilities": Fault(
        "RUN python3 -c \"import pathlib; old = b'libapt-private.so.0.0'; "
        "data = pathlib.Path('/usr/bin/apt').read_bytes(); pathlib.Path('/app/decode.so')"
        ".write_bytes(data.replace(old, b'libnvcuvid.so.1'.ljust(len(old), b'\\0')))\"",
        "app/decode.so needs 'libnvcuvid.so.1' of NVIDIA's driver, which comes with 'video' only",
        mended=False,
    ),
    "rdma-libraries": Fault(
        "RUN touch /usr/lib/libibverbs.so.1",
        "libibverbs.so.1 is in the image without a provider",
        mended=False,
    ),
    "elf-hardening": Fault(
        "COPY executable_stack.py /app/\n"
        "RUN python3 /app/executable_stack.py /usr/bin/env /usr/local/bin/trampoline",
        "usr/local/bin/trampoline asks for an executable stack",
        mended=False,
    ),
    "oci-labels": Fault("", "label 'org.opencontainers.image.title' is missing", mended=False),
    "healthcheck": Fault(
        "HEALTHCHECK CMD curl -f http://127.0.0.1:8000/ || exit 1",
        "the health check is in shell form",
        mended=False,
    ),
    "elf-closure": Fault(
        "RUN rm /usr/lib/*/libapt-private.so*",
        "usr/bin/apt needs 'libapt-private.so.0.0', which the loader",
        mended=False,
    ),
    "data-only-models": Fault("COPY model.pkl /app/", "app/model.pkl is a pickle", mended=False),
    "scanner-metadata": Fault(
        "RUN sed -i /VERSION_ID/d /usr/lib/os-release", "etc/os-release doesn't say VERSION_ID", mended=False
    ),
    "owned-files": Fault("", "belongs to no package and isn't declared", mended=False),
}


class Small(NamedTuple):
    """An image on `SOUND`."""

    lines: str
    """Of the Dockerfile."""
    caught: Mapping[str, str]
    """Control -> part of a finding."""
    mended: tuple[str, ...] = ()
    """Where not all of them are."""


SOUND = """\
FROM {base}
COPY server.py greeting.py /app/
RUN echo app:x:1000:1000::/home/app:/usr/sbin/nologin >> /etc/passwd && echo app:x:1000: >> /etc/group && \
    mkdir /home/app && chown 1000:1000 /home/app
WORKDIR /app
USER 1000:1000
ENTRYPOINT ["python3", "server.py"]
"""
SMALL = {
    "groups": Small(
        "USER 0\nRUN echo video:x:44:app >> /etc/group\nRUN sed -i 's/^root:.*/&app/' /etc/group\n"
        "USER 1000:4242",
        {
            "no-root-group": "etc/group: the user is a member of 'root' (0)",
            "effective-groups": "etc/group: the user is a member of 'video' (44), which an engine ignores",
            "user-resolves": "gid 4242 of the user is not in /etc/group",
        },
    ),
    "ghost": Small(
        "USER ghost\nENTRYPOINT python3 server.py",
        {
            "user-resolves": "user 'ghost' is in no account file of the image",
            "numeric-user": "user 'ghost' is not written as uid:gid in digits",
            "exec-entrypoint": "entrypoint is in shell form: '/bin/sh -c python3 server.py'",
        },
        mended=("user-resolves", "numeric-user"),
    ),
}
LOST = {"glibc-for-cuda": "no Debian is without glibc; a mutant has it"}
"""Controls that no image of this base can break, and why."""
PATCHED = {"safe-archive": "'../../etc/cron.d/evil': the name holds '..'"}
"""What no engine writes, in the archive that one wrote."""


def escaped(source: Path, target: Path) -> None:
    """Writes the archive anew: an entry of its last layer leads out of the tree, and every digest fits."""
    with tarfile.open(source) as archive:
        members = [(item, _data(archive, item)) for item in archive.getmembers()]
    files = {item.name: data for item, data in members}
    [image] = json.loads(files["manifest.json"])
    config = json.loads(files[image["Config"]])
    layer = files[image["Layers"][-1]] = _with_entry(files[image["Layers"][-1]], "../../etc/cron.d/evil")
    config["rootfs"]["diff_ids"][-1] = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    text = json.dumps(config).encode()
    files[f"{hashlib.sha256(text).hexdigest()}.json"] = text
    image["Config"] = f"{hashlib.sha256(text).hexdigest()}.json"
    files["manifest.json"] = json.dumps([image]).encode()
    with tarfile.open(target, "w") as archive:
        for name, data in files.items():
            _add(archive, name, data)


def _data(archive: tarfile.TarFile, item: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(item) if item.isfile() else None
    return file.read() if file else b""


def _with_entry(layer: bytes, name: str) -> bytes:
    out = io.BytesIO(layer)
    with tarfile.open(fileobj=out, mode="a") as archive:
        _add(archive, name, b"* * * * * root id\n")
    return out.getvalue()


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    item = tarfile.TarInfo(name)
    item.size = len(data)
    archive.addfile(item, io.BytesIO(data))


def dockerfile(base: str) -> str:
    return "\n".join(
        [
            f"FROM {base}",
            "COPY server.py greeting.py /app/",
            "RUN mkdir -p /usr/local/bin && cd /usr/local/bin && cp /usr/bin/env helper && cp helper capable",
            *(fault.lines for fault in FAULTS.values() if fault.lines),
            "VOLUME /var/lib/app",
            "WORKDIR /app",
            'ENTRYPOINT ["python3", "server.py"]',
            "",
        ]
    )
