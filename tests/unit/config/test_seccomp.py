import json

import pytest

from builder.config.seccomp import REFUSALS, seccomp_problem


@pytest.mark.parametrize("action", REFUSALS)
def test_a_profile_that_refuses_what_it_does_not_list_is_sound(action: str) -> None:
    assert seccomp_problem(json.dumps({"defaultAction": action, "syscalls": []}).encode()) == ""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            b"-",
            "is not JSON (Expecting value: line 1 column 1 (char 0)); write a profile as Docker reads it",
        ),
        (b"[]", "is no seccomp profile; write one with 'defaultAction' and 'syscalls', as Docker reads it"),
        (
            b'{"defaultAction": "SCMP_ACT_ERRNO"}',
            "is no seccomp profile; write one with 'defaultAction' and 'syscalls', as Docker reads it",
        ),
        (
            b'{"defaultAction": "SCMP_ACT_LOG", "syscalls": []}',
            "allows what it does not list (defaultAction 'SCMP_ACT_LOG'); write 'SCMP_ACT_ERRNO'",
        ),
        (
            b'{"syscalls": []}',
            "allows what it does not list (defaultAction 'None'); write 'SCMP_ACT_ERRNO'",
        ),
    ],
)
def test_another_is_refused(data: bytes, said: str) -> None:
    assert seccomp_problem(data) == said
