"""Packages of the distribution and of Python: indexes, trust, locks, downloads, unpacking."""
