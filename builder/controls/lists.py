"""What does not belong into a hardened image, as data: names and paths, each with the reason."""

from typing import NamedTuple

from builder.controls.programs import SHELLS


class Family(NamedTuple):
    """Programs that do the same."""

    what: str
    """For the finding: `usr/bin/su` + ` changes the user`."""
    names: frozenset[str]


def family(what: str, names: str) -> Family:
    return Family(what, frozenset(names.split()))


PRIVILEGE_TOOLS = (
    family("changes the user", "doas gosu login newgrp pkexec runuser setpriv sg su su-exec sudo sudo-rs"),
    family("changes the user", "sudoedit sulogin"),
    family(
        "changes accounts", "chage chfn chgpasswd chpasswd chsh expiry gpasswd groupadd groupdel groupmod"
    ),
    family("changes accounts", "newusers passwd unix_chkpwd useradd userdel usermod vigr vipw"),
    family("changes root or namespace", "chroot newgidmap newuidmap nsenter pivot_root switch_root unshare"),
    family("mounts file systems", "fusermount fusermount3 mount umount"),
    family("changes capabilities", "capsh setcap"),
    family("loads kernel modules", "insmod kmod modprobe"),
)

SHELL_PROGRAMS = (
    Family("is a shell", SHELLS),
    family("holds a shell", "busybox nu pwsh static-busybox toybox xonsh"),
)

PACKAGE_MANAGERS = (
    family("installs Debian packages", "apt apt-cache apt-config apt-get apt-key apt-mark aptitude"),
    family(
        "installs Debian packages", "dpkg dpkg-deb dpkg-divert dpkg-reconfigure dpkg-split dpkg-statoverride"
    ),
    family("installs Debian packages", "dpkg-trigger dselect snap unattended-upgrade"),
    family("installs RPM packages", "dnf dnf5 microdnf rpm rpm2cpio rpmdb tdnf yum zypper"),
    family("installs packages", "apk brew flatpak nix nix-env opkg pacman"),
    family("installs Python packages", "conda easy_install mamba micromamba pdm pip pip3 pipx poetry uv uvx"),
    family("installs Python packages", " ".join(f"pip3.{minor}" for minor in range(8, 20))),
    family("installs packages of a language", "bun cargo composer corepack gem luarocks npm npx pnpm yarn"),
)

PYTHON_INSTALLERS = frozenset({"conda", "ensurepip", "mamba", "pip", "pipx", "poetry", "uv"})
"""Python packages that install others. Not setuptools: much imports pkg_resources at run time."""

DOWNLOAD_TOOLS = (
    family("downloads files", "aria2c axel curl elinks ftp lftp links lynx sftp tftp tnftp w3m wget wget2"),
    family("copies files over the network", "rclone rcp rsync scp"),
    family("opens connections by hand", "nc nc.openbsd nc.traditional ncat netcat nmap socat"),
    family("opens connections by hand", "telnet telnet.netkit inetutils-telnet"),
    family("logs in elsewhere", "autossh dbclient mosh rlogin rsh slogin ssh"),
)

REMOTE_ACCESS = (
    family("lets others log in", "cockpit-ws dropbear in.telnetd in.rlogind in.rshd mosh-server rlogind"),
    family("lets others log in", "rshd sftp-server sshd telnetd ttyd gotty wetty code-server"),
    family("shows a desktop to others", "anydesk nxserver tigervncserver teamviewerd turbovncserver"),
    family("shows a desktop to others", "vino-server vncserver Xvnc x0vncserver x11vnc xrdp xrdp-sesman"),
    family("lets others manage the machine", "miniserv.pl pmproxy salt-minion snmpd tailscaled webmin"),
)

REMOTE_ACCESS_PACKAGES = family(
    "lets others log in",
    "cockpit cockpit-ws dropbear dropbear-bin inetutils-telnetd openssh-server openssh-sftp-server "
    "rsh-server rsh-redone-server snmpd telnetd tigervnc-standalone-server tightvncserver tinysshd ttyd "
    "vino webmin x11vnc xrdp",
)
"""Debian packages whose purpose it is, whatever they call their programs."""

REMOTE_ACCESS_PORTS = {
    22: "ssh",
    23: "telnet",
    512: "rexec",
    513: "rlogin",
    514: "rsh",
    2222: "ssh, in containers",
    3389: "remote desktops",
    5900: "VNC",
    5901: "VNC",
}
"""Port -> what is offered there by habit."""

COMPILERS = (
    family("compiles programs", "c++ c89 c99 cc cc1 cc1plus clang clang++ cpp f951 g++ gcc gccgo gfortran"),
    family("compiles programs", "cicc fatbinary ghc gnat go gofmt hipcc icpx icx javac kotlinc nvcc nvlink"),
    family("compiles programs", "ocamlopt opt llc lto1 ptxas ptxas-blackwell rustc swiftc tcc tileiras zig"),
    family("generates programs", "protoc"),
    family("assembles or links programs", "as collect2 gold ld ld.bfd ld.gold ld.lld ld64.lld lld"),
    family("assembles or links programs", "lto-wrapper mold nasm yasm"),
    family("takes programs apart", "addr2line ar dwp elfedit nm objcopy objdump ranlib readelf strip"),
    family("takes programs apart", "cuobjdump nvdisasm"),
    family("builds software", "autoconf automake bison cmake flex gmake libtool m4 make meson ninja scons"),
)
"""By the plain name: `gcc`, not `x86_64-linux-gnu-gcc-14`."""

HEADERS = ("usr/include", "usr/local/include")

DEBUGGERS = (
    family("reads other processes", "cuda-gdb drgn edb gcore gdb gdbserver gdbtui lldb lldb-server pstack"),
    family("reads other processes", "py-spy pyrasite-shell rr uftrace austin memray valgrind"),
    family("traces system calls", "ltrace strace truss sysdig"),
    family("traces the kernel", "bpftool bpftrace perf stap staprun trace-cmd"),
    family("records network traffic", "dumpcap tcpdump tshark wireshark ngrep"),
    family("profiles a GPU", "compute-sanitizer ncu nsys rocgdb rocprof"),
)


class Pruned(NamedTuple):
    path: str
    """A folder or file; with `/*` at the end, only what is in the folder."""
    reason: str


PRUNED_PATHS = (
    Pruned("etc/apt", "configures a package manager that isn't there"),
    Pruned("etc/cron.d", "is for a scheduler that isn't there"),
    Pruned("etc/cron.daily", "is for a scheduler that isn't there"),
    Pruned("etc/cron.weekly", "is for a scheduler that isn't there"),
    Pruned("etc/init.d", "is for an init system that isn't there"),
    Pruned("etc/logrotate.d", "rotates logs that go to the engine"),
    Pruned("etc/profile.d", "configures a login shell"),
    Pruned("etc/skel", "is for accounts made later"),
    Pruned("etc/update-motd.d", "greets at logins that don't happen"),
    Pruned("root/.cache", "is a cache"),
    Pruned("usr/lib/pkgconfig", "is for compilers"),
    Pruned("usr/lib/systemd", "is for an init system that isn't there"),
    Pruned("usr/lib/tmpfiles.d", "is for an init system that isn't there"),
    Pruned("usr/lib/valgrind", "is for debuggers"),
    Pruned("usr/share/aclocal", "is for compilers"),
    Pruned("usr/share/applications", "is for desktops"),
    Pruned("usr/share/apport", "reports crashes to the distribution"),
    Pruned("usr/share/base-files", "is what a maintainer script copies from"),
    Pruned("usr/share/bash-completion", "completes commands in a shell"),
    Pruned("usr/share/bug", "reports bugs to the distribution"),
    Pruned("usr/share/debconf", "asks questions at installation"),
    Pruned("usr/share/doc-base", "is documentation"),
    Pruned("usr/share/fish", "completes commands in a shell"),
    Pruned("usr/share/gcc", "is for debuggers"),
    Pruned("usr/share/gdb", "is for debuggers"),
    Pruned("usr/share/gtk-doc", "is documentation"),
    Pruned("usr/share/info", "is documentation"),
    Pruned("usr/share/initramfs-tools", "makes boot images"),
    Pruned("usr/share/lintian", "checks how packages were made"),
    Pruned("usr/share/locale", "is translated messages, and the locale is C.UTF-8"),
    Pruned("usr/share/man", "is documentation"),
    Pruned("usr/share/menu", "is for desktops"),
    Pruned("usr/share/pixmaps", "is for desktops"),
    Pruned("usr/share/pkgconfig", "is for compilers"),
    Pruned("usr/share/zsh", "completes commands in a shell"),
    Pruned("var/backups", "is copies of account files"),
    Pruned("var/cache/*", "is a cache"),
    Pruned("var/lib/apt/*", "is a package manager's cache"),
)

PRUNED_NAMES = {
    ".DS_Store": "is left by a desktop",
    ".bzr": "is version control's",
    ".cache": "is a cache",
    ".git": "is version control's, with its history",
    ".hg": "is version control's, with its history",
    ".mypy_cache": "is a cache",
    ".pytest_cache": "is a cache",
    ".ruff_cache": "is a cache",
    ".svn": "is version control's, with its history",
}

PRUNED_SUFFIXES = {
    ".dpkg-dist": "is what a package manager left",
    ".dpkg-new": "is what a package manager left",
    ".dpkg-old": "is what a package manager left",
    ".orig": "is what a patch left",
    ".pyo": "is byte code of a Python that is long gone",
    ".rej": "is what a patch left",
    ".swp": "is what an editor left",
    "~": "is what an editor left",
}

PYTHON_PACKAGES = ("dist-packages/", "site-packages/")
PRUNED_IN_WHEELS = {
    ".a": "is a static library, for linkers",
    ".bc": "is code for compilers to go on with",
    ".cmake": "is for compilers",
    ".cuh": "is a header, for compilers",
    ".exe": "is for Windows",
    ".h": "is a header, for compilers",
    ".hh": "is a header, for compilers",
    ".hpp": "is a header, for compilers",
    ".hxx": "is a header, for compilers",
    ".pc": "is for compilers",
    ".pxd": "is a header, for compilers",
    ".pxi": "is a header, for compilers",
}
"""What wheels carry for those who build on top of them. Type stubs stay: some packages read their own."""
PRUNED_WHEEL_FOLDERS = {
    "triton/backends/nvidia/lib/cupti": "is for Triton's profiler, and of CUDA 12",
}
"""Below Python's packages -> why nothing in it is missed."""
PRUNED_WHEEL_FOLDER = "tests"
"""Inside a package; one that is called so by itself is somebody's own."""

PLUGINS = {
    "libMLIRDialectPlugin.so*": "Triton's example of a plug-in",
    "libTritonPluginsTestLib.so*": "Triton's tests of its plug-ins",
    "libcufile_rdma.so*": "cuFile over RDMA",
    "libcusolverMg.so*": "cuSOLVER on several GPUs",
    "libonnxruntime_providers_nv_tensorrt_rtx.so": "onnxruntime by TensorRT for RTX",
    "libonnxruntime_providers_tensorrt.so": "onnxruntime by TensorRT",
    "libtorchcodec_*.so": "torchcodec by a version of FFmpeg",
    "nvshmem_bootstrap_mpi.so*": "NVSHMEM started by MPI",
    "nvshmem_bootstrap_pmix.so*": "NVSHMEM started by PMIx",
    "nvshmem_bootstrap_shmem.so*": "NVSHMEM started by OpenSHMEM",
    "nvshmem_transport_ib*.so*": "NVSHMEM over RDMA",
    "nvshmem_transport_libfabric.so*": "NVSHMEM over libfabric",
    "nvshmem_transport_ucx.so*": "NVSHMEM over UCX",
    "tbbpool.*.so": "numba's threads by TBB",
}
"""Pattern of a file's name -> what it is for. Libraries that others open by name where all is there that they
stand on, and do without otherwise. Who opens one has loaded its neighbours. One that lacks more is only
weight."""

INTERPRETER_TESTS = ("_ctypes_test", "_test", "_xxtestfuzz", "xxlimited", "xxsubtype")
"""Beginnings of modules of the standard library that only its own tests import."""

DOCUMENTATION = "usr/share/doc/"
KEPT_DOCUMENTATION = ("COPYING", "LICENCE", "LICENSE", "NOTICE", "copyright")
"""Beginnings of file names: licences oblige to ship their text, and scanners read Debian's."""

CHARSETS = "/gconv"
"""Folder of glibc's iconv modules, of 8 MB. The encodings of Unicode are built in; Python has its own."""
KEPT_CHARSETS = frozenset(
    {"ANSI_X3.110.so", "CP1252.so", "ISO8859-1.so", "ISO8859-15.so", "UNICODE.so", "UTF-16.so", "UTF-32.so"}
    | {"UTF-7.so", "gconv-modules", "gconv-modules.cache", "gconv-modules-extra.conf"}
)
"""What programs that read Western text still ask iconv for. `keep` brings the others back."""

SECRET_FILES = {
    ".env": "holds settings that are secrets as a rule",
    ".git-credentials": "holds git's passwords",
    ".htpasswd": "holds password hashes",
    ".my.cnf": "holds a database password",
    ".netrc": "holds passwords for hosts",
    ".npmrc": "holds a token of a package index",
    ".pgpass": "holds database passwords",
    ".pypirc": "holds a password of a package index",
    ".vault-token": "holds a token",
    "_netrc": "holds passwords for hosts",
    "id_dsa": "is a private key",
    "id_ecdsa": "is a private key",
    "id_ed25519": "is a private key",
    "id_rsa": "is a private key",
    "terraform.tfstate": "holds the secrets of an infrastructure in clear",
}

SECRET_PLACES = {
    ".aws/credentials": "holds keys of a cloud",
    ".azure/msal_token_cache.json": "holds tokens of a cloud",
    ".cache/huggingface/token": "holds a token",
    ".config/gcloud/application_default_credentials.json": "holds keys of a cloud",
    ".config/gh/hosts.yml": "holds a token",
    ".docker/config.json": "holds passwords of registries",
    ".huggingface/token": "holds a token",
    ".kube/config": "holds keys of a cluster",
}
