"""Hardening controls: one class each, with its text, `enforce` and `audit`.

To add one: a class in the module of its family, a line in `catalogue.py`, a mutant in
`tests/unit/controls/mutants.py`, a line in the profile that asks for it.
"""
