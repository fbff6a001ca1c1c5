"""Vulnerability scanners: the built-in one, and programs that are called where they are there."""
