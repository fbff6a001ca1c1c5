"""The images of gigabytes in the page: a row each, kept by a run of the rest."""

from dataclasses import replace

import pytest

from bench.big import HEADING, Big, BigPlace, section, section_of, tag_as_before, with_section
from bench.clock import FailedError, Ran


def ran(seconds: float, peak: int = 100_000_000) -> Ran:
    return Ran(seconds=seconds, cpu=seconds, peak=peak)


TORCH = Big(
    name="torch",
    report={"unpacked": 4_620_000_000, "size": 2_700_000_000, "packages": [1] * 58, "layers": 21},
    inside={"executables": 30, "copied": {"bytes": 4_000_000_000, "seconds": 10.0}, "cold": [2.0, 3.0, 4.0]},
    build=(ran(2.0), ran(4.0), ran(3.0)),
    changed=(ran(3.5), ran(3.0, 120_000_000)),
    loaded=(ran(5.0), ran(6.0)),
)


def test_a_row_sets_bytes_per_second_beside_those_of_cp() -> None:
    assert TORCH.row == (
        *("`torch`", "4620.0 MB", "2700.0 MB", "58", "30", "21"),
        *("3.00 s", "3.25 s", "5.50 s", "1540.0 MB/s", "400.0 MB/s", "120.0 MB", "3.00 s"),
    )


def test_what_could_not_be_measured_says_why() -> None:
    text = section([TORCH], {"vllm": "no space left"}, {"date": "today"})
    assert "* date: today" in text
    [row] = [line for line in text.splitlines() if line.startswith("| `vllm`")]
    assert row.startswith("| `vllm` | not measured: no space left |")


def test_without_an_engine_nothing_is_started() -> None:
    row = replace(TORCH, inside={**TORCH.inside, "cold": []}, loaded=()).row
    assert (row[8], row[-1]) == ("not measured", "not measured")


def test_the_section_is_replaced_and_otherwise_left_alone() -> None:
    page = "# Measurements\n\n## Sizes\n\ntable\n"
    first = with_section(page, f"{HEADING}\n\none\n")
    assert first == f"# Measurements\n\n## Sizes\n\ntable\n\n{HEADING}\n\none\n"
    assert with_section(first, f"{HEADING}\n\ntwo\n") == first.replace("one", "two")
    assert with_section(page, section_of(first)) == first
    assert with_section(page, section_of(page)) == page


class Engine(BigPlace):
    """With these images by their tags."""

    def __init__(self, **images: str) -> None:
        self.images = images

    def docker(self, *words: str) -> str:
        match words:
            case ("image", "inspect", "--format", _, tag) if tag in self.images:
                return f"{self.images[tag]}\n"
            case ("image", "rm", tag):
                del self.images[tag]
            case ("image", "tag", identity, tag):
                self.images[tag] = identity
            case _:
                raise FailedError("no such image")
        return ""


@pytest.mark.parametrize("before", [{}, {"torch": "theirs"}], ids=["none", "the person's own"])
@pytest.mark.parametrize("after", [{}, {"torch": "ours"}], ids=["gone", "left behind"])
def test_the_engine_calls_what_it_did_before_by_the_name(
    before: dict[str, str], after: dict[str, str]
) -> None:
    engine = Engine(**before)

    def fails() -> None:
        with tag_as_before(engine, "torch"):
            engine.images = dict(after)
            raise FailedError("the disk is full")

    with pytest.raises(FailedError, match="full"):
        fails()
    assert engine.images == before
