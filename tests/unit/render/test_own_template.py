"""An image's own Dockerfile.j2 may word the Dockerfile in another way, but not say something else."""

import shutil
from pathlib import Path

import pytest
import yaml

from builder.errors import InputError
from builder.render.contract import make_contract
from builder.render.definition import render
from tests.golden import CASES, IMAGES, LAYERS, image_of, plan_of

REFUSED = yaml.safe_load((CASES / "own-template/refused.yaml").read_text())


def dockerfile(folder: Path, template: str) -> str:
    shutil.copytree(IMAGES["own-template"], folder, dirs_exist_ok=True)
    (folder / "Dockerfile.j2").write_text('{% extends "Dockerfile.j2" %}\n' + template)
    planned = plan_of("own-template", folder)
    contract = make_contract(planned, "temper/x:y", "65532:65532")
    return render(planned, image_of(planned), LAYERS, contract).file("Dockerfile").text


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        dockerfile(tmp_path, REFUSED[case]["template"])
    assert str(caught.value).replace(f"{tmp_path}/", "") == REFUSED[case]["message"]


def test_a_template_that_changes_nothing_renders_ours(tmp_path: Path) -> None:
    text = dockerfile(tmp_path, "")
    assert text.startswith("# own-template under the profile golden, rendered by Temper")


def test_labels_and_variables_may_be_written_together(tmp_path: Path) -> None:
    template = "{% block env %}ENV PATH=/usr/local/bin:/usr/bin LEVEL=\"3\" MODE='quiet'\n{% endblock %}"
    assert "ENV PATH=/usr/local/bin:/usr/bin LEVEL=\"3\" MODE='quiet'\n" in dockerfile(tmp_path, template)
