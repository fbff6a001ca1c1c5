"""Model files: data, not programs in disguise."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from pydantic import Field

from builder.controls.frame import Context, Control
from builder.controls.inventory import inventory
from builder.controls.references import cwe, nist
from builder.controls.survey import Placed, hidden
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.spec import Strings
from builder.model.tree import Entry, Kind

PICKLED = (".ckpt", ".dill", ".joblib", ".pickle", ".pkl")
"""Python's pickle whatever is in it: loading one runs what it says."""
MAYBE = (".bin", ".data", ".model", ".npy", ".pt", ".pth", ".weights")
"""Names that hold pickles and other things: the first bytes say which."""
PICKLE_MAGIC = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
ZIP_MAGIC = b"PK\x03\x04"
"""torch.save since 1.6: a zip whose `data.pkl` is a pickle."""
KERAS = (".keras",)


class ModelParameters(Strict):
    allow: Strings = Field(
        default=(), description="patterns of paths that may stay, once scanned: /models/encoder/*.pkl"
    )


class DataOnlyModels(Control[ModelParameters]):
    key = "data-only-models"
    title = "Model files are in formats that hold data only"
    why = (
        "A pickle is a program: loading weights from one runs whatever its author wrote. safetensors, GGUF "
        "and ONNX hold numbers and names."
    )
    remedy = "convert it to safetensors, GGUF or ONNX; allow what was scanned and can't be converted"
    severity = Severity.MEDIUM
    references = (nist("4.1.3"), cwe("502"))
    parameters = ModelParameters

    def audit(self, image: Image, parameters: ModelParameters, context: Context) -> Iterable[Finding]:
        """Packages' own files apart: they are code anyway, and known by their hash."""
        owned = inventory(image).files
        placed = [Placed(entry) for entry in image.rootfs.files() if entry.path not in owned]
        for one in (*placed, *hidden(image)):
            what = self._what(one.entry)
            allowed = any(fnmatchcase(f"/{one.entry.path}", pattern) for pattern in parameters.allow)
            if what is not None and not allowed:
                yield one.finding(what)

    def _what(self, entry: Entry) -> str | None:
        name = entry.path.rpartition("/")[2].lower()
        if entry.kind is not Kind.FILE or not name.endswith((*PICKLED, *MAYBE, *KERAS)):
            return None
        if name.endswith(PICKLED):
            return "is a pickle, which runs code when it is loaded"
        if name.endswith(KERAS):
            return "is a Keras archive, which may hold code"
        head = self._head(entry)
        if head.startswith(PICKLE_MAGIC) or (
            head.startswith(ZIP_MAGIC) and name.endswith((".pt", ".pth", ".bin"))
        ):
            return "holds a pickle, which runs code when it is loaded"
        return None

    def _head(self, entry: Entry) -> bytes:
        if entry.content is None:
            return b""
        with entry.content.open() as stream:
            return stream.read(8)
