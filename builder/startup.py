"""What makes a short-lived process answer sooner."""

import gc

THRESHOLD = 50_000
"""New objects between two collections of garbage. Python's 700 has it walk over every entry of the tree
dozens of times, and there is hardly any garbage in cycles here."""


def hasten() -> None:
    """To be called before anything large is imported, and in a process of our own only."""
    gc.set_threshold(THRESHOLD, 20, 20)
