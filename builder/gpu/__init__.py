"""Whether a GPU reaches the program in a container: rehearsed with a stub driver, or seen on a real GPU."""
