"""Temper: build, harden and verify container images for AI workloads."""

__version__ = "0.1.0"
