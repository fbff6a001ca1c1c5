"""A seccomp profile fitted to a workload: its system calls recorded, merged with what starting it needs."""
