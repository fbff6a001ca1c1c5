"""Live checks in a container without a shell, and the report over everything that was checked."""
