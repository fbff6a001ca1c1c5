import json
import subprocess
import sys
from pathlib import Path

import pytest

from builder.errors import InputError
from builder.render.dockerfile import meaning
from tests.golden import IMAGES, image_of, plan_of
from tests.unit.render.contracts import NAMES, definition_of, rendered

HADOLINT = Path(sys.executable).parent / "hadolint"


@pytest.mark.parametrize("name", NAMES)
def test_hadolint_finds_nothing(name: str, tmp_path: Path) -> None:
    """With no configuration of this machine's, the strictest threshold there is."""
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(rendered(name).file("Dockerfile").text)
    command = [HADOLINT, "--format", "json", "--failure-threshold", "style", dockerfile]
    done = subprocess.run(
        command, capture_output=True, cwd=tmp_path, env={"HOME": str(tmp_path)}, check=False
    )
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_run_and_every_command_is_in_exec_form(name: str) -> None:
    instructions = meaning(rendered(name).file("Dockerfile").text)
    words = [instruction.partition(" ")[0] for instruction in instructions]
    assert words[0] == "FROM"
    assert words.count("FROM") == 1
    assert "RUN" not in words
    assert instructions[0] == "FROM scratch"
    for instruction in instructions:
        word, _, rest = instruction.partition(" ")
        if word in ("ENTRYPOINT", "CMD", "VOLUME", "ADD"):
            assert isinstance(json.loads(rest), list)


@pytest.mark.parametrize("name", NAMES)
def test_the_context_holds_nothing_but_the_layers(name: str) -> None:
    assert rendered(name).file(".dockerignore").text == "*\n!layers\n"


@pytest.mark.parametrize("name", NAMES)
def test_the_run_script_is_a_script(name: str) -> None:
    script = rendered(name).file("run/docker-run.sh")
    assert script.executable
    subprocess.run(["/bin/sh", "-n"], input=script.text.encode(), check=True)


def test_the_run_script_asks_for_the_folders_it_needs() -> None:
    script = rendered("onnx-inference").file("run/docker-run.sh").text
    done = subprocess.run(["/bin/sh", "-c", script], env={}, capture_output=True, check=False)
    assert done.returncode != 0
    assert b"MODELS_FOLDER" in done.stderr
    assert b"must name the folder for models" in done.stderr


def test_a_value_with_a_line_break_names_what_holds_it() -> None:
    planned = plan_of("own-template", IMAGES["own-template"])
    image = image_of(planned)
    image = image.replace(config=image.config.with_env(KEY="a\nRUN id"))
    with pytest.raises(InputError) as caught:
        definition_of(planned, image)
    assert (
        str(caught.value)
        == "'a\\nRUN id': holds a line break, which a Dockerfile can't; write it on one line"
    )
