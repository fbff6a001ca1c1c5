"""Images that break the controls of the image's settings."""

from builder.model.spec import Healthcheck
from tests.unit.controls.mutant import mutant
from tests.unit.controls.sound import (
    SITE,
    file,
    put,
    set_config,
    set_env,
    wheel,
    without_env,
)

SETTINGS = (
    mutant(
        "no-system-volumes",
        "over programs",
        set_config(volumes=("/usr/share/app",)),
        "volume '/usr/share/app' lies over a system folder",
        also=("read-only-root",),
    ),
    mutant(
        "no-system-volumes",
        "over all data",
        set_config(volumes=("/var",)),
        "volume '/var' lies over a system folder",
        also=("read-only-root",),
    ),
    mutant(
        "gpu-request",
        "all GPUs",
        set_env("NVIDIA_VISIBLE_DEVICES", "all"),
        "variable NVIDIA_VISIBLE_DEVICES is 'all', which opens GPUs that nobody asked for at the start",
    ),
    mutant(
        "gpu-request",
        "more of the driver",
        set_env("NVIDIA_DRIVER_CAPABILITIES", "compute,graphics"),
        "variable NVIDIA_DRIVER_CAPABILITIES asks for 'graphics', which nobody declared",
        parameters={"capabilities": ("compute",)},
    ),
    mutant(
        "gpu-request",
        "an image of old",
        set_env("CUDA_VERSION", "13.0"),
        "variable CUDA_VERSION stands alone, which NVIDIA's runtime takes for a request of all GPUs",
    ),
    mutant(
        "gpu-request",
        "a mode",
        set_env("NVIDIA_DISABLE_REQUIRE", "1"),
        "variable NVIDIA_DISABLE_REQUIRE is '1', which asks the driver for more than computing",
    ),
    mutant(
        "declared-sysctls",
        "a file that nothing applies",
        put(file("etc/sysctl.d/90-fast.conf", "net.core.somaxconn = 4096\n")),
        "etc/sysctl.d/90-fast.conf is applied by nothing",
    ),
    mutant(
        "declared-sysctls",
        "the file of old",
        put(file("etc/sysctl.conf", "vm.swappiness = 1\n")),
        "etc/sysctl.conf is applied by nothing",
    ),
    mutant(
        "stop-signal",
        "none",
        set_config(stop_signal=""),
        "no stop signal is set, so that each engine takes its own",
    ),
    mutant(
        "stop-signal",
        "one that nobody can handle",
        set_config(stop_signal="9"),
        "the stop signal is '9', which no program can handle",
    ),
    mutant(
        "stop-signal",
        "one that does not exist",
        set_config(stop_signal="SIGSTOPPED"),
        "the stop signal 'SIGSTOPPED' does not exist",
    ),
    mutant(
        "stop-signal",
        "another than declared",
        set_config(stop_signal="SIGQUIT"),
        "the stop signal is 'SIGQUIT', image.yaml says 'SIGTERM'",
    ),
)

CONFIGURATION = (
    mutant(
        "safe-path",
        "relative",
        set_env("PATH", "/usr/bin:bin"),
        "PATH holds 'bin', which is not absolute",
    ),
    mutant("safe-path", "empty", set_env("PATH", "/usr/bin:"), "PATH holds '', which is not absolute"),
    mutant("safe-path", "unset", without_env("PATH"), "PATH is not set, so that each engine takes its own"),
    mutant(
        "safe-path",
        "anybody's",
        set_env("LD_LIBRARY_PATH", "/tmp/lib"),
        "LD_LIBRARY_PATH holds '/tmp/lib', which is the user's own",
    ),
    mutant(
        "safe-path",
        "may be written",
        set_env("LD_PRELOAD", "/usr/lib/x.so /var/tmp/y.so"),
        "LD_PRELOAD holds '/var/tmp/y.so', which may be written by the user",
        also=("loader-environment",),
    ),
    mutant(
        "safe-path",
        "home",
        set_env("PYTHONPATH", "/home/nonroot/lib"),
        "PYTHONPATH holds '/home/nonroot/lib', which is the user's own",
    ),
    mutant(
        "exec-entrypoint",
        "not there",
        set_config(entrypoint=("serve",)),
        "entrypoint starts 'serve', which is not in the image",
        mended=False,
    ),
    mutant(
        "exec-entrypoint",
        "shell form",
        set_config(entrypoint=("/bin/sh", "-c", "serve")),
        "entrypoint is in shell form: '/bin/sh -c serve'",
        mended=False,
    ),
    mutant(
        "exec-entrypoint",
        "not executable",
        set_config(entrypoint=("/app/server.py",)),
        "entrypoint starts '/app/server.py', which the user may not execute (mode 0644)",
        mended=False,
    ),
    mutant(
        "exec-entrypoint",
        "a folder",
        set_config(entrypoint=("/app",)),
        "entrypoint starts '/app', which is a directory",
        mended=False,
    ),
    mutant(
        "exec-entrypoint",
        "cmd that is not there",
        set_config(entrypoint=(), cmd=("bin/serve",)),
        "cmd starts 'bin/serve', which is not in the image",
        mended=False,
    ),
    mutant(
        "exec-entrypoint",
        "none",
        set_config(entrypoint=()),
        "neither entrypoint nor cmd is set",
        mended=False,
    ),
    mutant(
        "exec-entrypoint",
        "workdir not there",
        set_config(workdir="/srv"),
        "workdir '/srv' is not a directory of the image",
        mended=False,
    ),
    mutant("healthcheck", "none", set_config(healthcheck=None), "no health check is set", mended=False),
    mutant(
        "healthcheck",
        "shell form",
        set_config(healthcheck=Healthcheck(command=("true",)), healthcheck_shell=True),
        "the health check is in shell form: 'true'",
        mended=False,
    ),
    mutant(
        "healthcheck",
        "not there",
        set_config(healthcheck=Healthcheck(command=("/app/health",))),
        "the health check starts '/app/health', which is not in the image",
        mended=False,
    ),
    mutant(
        "declared-ports",
        "privileged",
        set_config(ports=("80/tcp", "8000/tcp")),
        "port 80/tcp is exposed, which is below 1024",
    ),
    mutant(
        "declared-ports",
        "undeclared",
        set_config(ports=("8000/tcp", "9000/tcp")),
        "port 9000/tcp is exposed but not declared in image.yaml",
    ),
    mutant(
        "declared-ports",
        "not exposed",
        set_config(ports=()),
        "port 8000/tcp is declared in image.yaml but not exposed",
    ),
    mutant(
        "oci-labels",
        "no title",
        lambda image: image.replace(
            config=image.config.replace(labels=(*image.config.labels[:2], *image.config.labels[3:]))
        ),
        "label 'org.opencontainers.image.title' is missing or empty",
    ),
    mutant(
        "python-startup",
        "working directory first",
        without_env("PYTHONSAFEPATH"),
        "variable PYTHONSAFEPATH is not set",
    ),
    mutant(
        "python-startup",
        "code in a .pth",
        put(
            *wheel(
                "demo",
                "1.0",
                {"demo.pth": "import demo\n", "demo/__init__.py": "x = 1\n", "demo/more.py": "y = 2\n"},
            )
        ),
        f"{SITE}/demo.pth holds code that runs at every start of Python",
        mended=False,
    ),
    mutant(
        "python-startup",
        "sitecustomize",
        put(
            *wheel(
                "demo",
                "1.0",
                {"sitecustomize.py": "", "demo/__init__.py": "x = 1\n", "demo/more.py": "y = 2\n"},
            )
        ),
        f"{SITE}/sitecustomize.py runs at every start of Python",
        mended=False,
    ),
)
