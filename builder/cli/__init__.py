"""The command `temper`: a function per verb. The only place that prints or exits.

Results go to stdout, progress and errors to stderr. Exit codes stand in `builder.errors`. Imports of the
stages are local to the verbs, so that `temper --help` answers at once.
"""

from builder.cli import gpu, judge, make, scan, supply, tell  # noqa: F401 - they bring the verbs
from builder.cli.group import cli, main

__all__ = ["cli", "main"]
