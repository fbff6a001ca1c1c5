"""Which models the onnx-inference image's server finds and takes, and what it says of the others."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from server.errors import ModelError
from server.models import find_files, load_models
from server.settings import Settings

from tests.unit.images.onnx_models import BIAS, WEIGHTS, save, save_linear

SHIPPED = Path(__file__).parents[3] / "images/onnx-inference/tests/state/models"


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_models(Settings(models=folder))
    return str(caught.value)


def test_both_layouts_are_found_and_the_newest_version_is_served(models: Path) -> None:
    save_linear(models / "flat.onnx")
    save_linear(models / "plain/model.onnx")
    save_linear(models / "versioned/2/model.onnx")
    save_linear(models / "versioned/10/model.onnx")
    (models / "notes.txt").write_text("no model")
    (models / "empty").mkdir()
    assert find_files(models) == {
        "flat": ("1", models / "flat.onnx"),
        "plain": ("1", models / "plain/model.onnx"),
        "versioned": ("10", models / "versioned/10/model.onnx"),
    }


def test_links_as_kubernetes_makes_them_are_followed_once(models: Path) -> None:
    save_linear(models / "..2026_11_22/linear.onnx")
    (models / "..data").symlink_to("..2026_11_22")
    (models / "linear.onnx").symlink_to("..data/linear.onnx")
    assert find_files(models) == {"linear": ("1", models / "linear.onnx")}


def test_no_folder(tmp_path: Path) -> None:
    assert refused(tmp_path / "no") == f"{tmp_path}/no: no such file or directory; mount a folder"


def test_no_model(models: Path) -> None:
    assert refused(models) == (
        f"{models}: no model; mount a folder with <name>.onnx or <name>/<number>/model.onnx"
    )


def test_a_name_that_stands_there_twice(models: Path) -> None:
    save_linear(models / "linear.onnx")
    save_linear(models / "linear/1/model.onnx")
    assert refused(models) == (
        f"{models}/linear.onnx: model 'linear' stands there twice, also as {models}/linear/1/model.onnx"
    )


def test_every_file_that_is_no_model_is_named(models: Path) -> None:
    (models / "a.onnx").write_bytes(b"not a model")
    (models / "b.onnx").write_bytes(b"")
    save_linear(models / "good.onnx")
    first, second = refused(models).splitlines()
    assert first.startswith(f"{models}/a.onnx: not a model that can be served: ")
    assert second.startswith(f"{models}/b.onnx: not a model that can be served: ")


def test_an_output_that_is_no_tensor(models: Path) -> None:
    sequence = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, ["n"])
    save(
        models / "zip.onnx",
        [helper.make_node("SequenceConstruct", ["x"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [sequence],
    )
    assert refused(models) == (
        f"{models}/zip.onnx: output 'y' is seq(tensor(float)), which the protocol has no datatype for;"
        " convert the model so that it takes and gives plain tensors (skl2onnx: zipmap=False)"
    )


def test_an_unknown_provider(models: Path) -> None:
    save_linear(models / "linear.onnx")
    with pytest.raises(ModelError) as caught:
        load_models(Settings(models=models, providers=("CPUExecutionProvider", "Abacus")))
    assert str(caught.value).startswith("ONNX_PROVIDERS: no Abacus here; there is ")


def test_the_model_of_the_live_test_is_the_one_that_its_numbers_are_of() -> None:
    model = onnx.load(str(SHIPPED / "linear.onnx"))
    onnx.checker.check_model(model, full_check=True)
    weights, bias = (onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer)
    assert weights.tolist() == WEIGHTS.tolist()
    assert bias.tolist() == BIAS.tolist()
