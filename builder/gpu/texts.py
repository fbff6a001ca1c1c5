"""Every way in which a GPU's wiring goes wrong: by its name, what is wrong, and what to do."""

TEXTS = {
    "no-libcuda": (
        "no {soname} was injected; ask for the GPU at the start, the legacy runtime also for 'compute'"
    ),
    "no-nvml": (
        "no {soname} was injected; ask for the GPU at the start, the legacy runtime also for 'utility'"
    ),
    "wrong-path": (
        "'{path}' lies where the loader doesn't look; have the runtime write ld.so's cache (update-ldcache), "
        "or inject into one of its default folders"
    ),
    "hooks-not-run": (
        "'{path}' is there, but not by the name {soname} that programs ask for; have the engine run the "
        "hooks of the CDI specification (create-symlinks, update-ldcache)"
    ),
    "shadowed": (
        "the image's own '{path}' stands in the place of the host's {soname}{why}; remove it, and what leads "
        "to it (LD_LIBRARY_PATH, ld.so.conf)"
    ),
    "stub-driver": "'{path}' is Temper's stub, not a driver; inject the host's own",
    "baked-in": "{soname} is loaded from '{path}', though nothing was injected; remove it from the image",
    "no-device-node": "'{path}' is not in the container; hand the device on to it",
    "no-permission": (
        "uid {uid} may not open '{path}' (EACCES); give the group of the host's node, as a number, by "
        "`run: groups` in the profile or by additionalGids in the CDI specification"
    ),
    "closed-by-cgroup": (
        "the device cgroup refuses '{path}' (EPERM), though it is there; hand it on as a device with rw, not "
        "by a mount"
    ),
    "no-hardware": "no driver of the kernel answers for '{path}' ({error}); load the host's kernel module",
    "node-fails": "opening '{path}' ends with {error}; see the host's kernel log",
    "driver-fails": (
        "{what} ends with {error}; see the host's kernel log, and that all its libraries are of one version"
    ),
    "other-gpus": (
        "there is {seen}, and {wanted} was asked for; see the engine's request and CUDA_VISIBLE_DEVICES"
    ),
    "old-driver": (
        "the driver knows CUDA {driver}, '{path}' is of {runtime}; install {newer} on the host, or build the "
        "image for CUDA {major}"
    ),
    "runtime-fails": "{what} ends with {error}; see that the image has all that it needs, for one CUDA",
    "kernel-fails": (
        "{what} ends with {error} on GPU {gpu}; see that libnvidia-ptxjitcompiler is injected, and the "
        "host's kernel log"
    ),
    "no-kernel": "no kernel was run, since the driver shows no GPU; see the rows above",
    "wrong-sums": (
        "{wrong} of {of} sums of GPU {gpu} are not the CPU's; take it out of service, and see the host's "
        "kernel log"
    ),
}
