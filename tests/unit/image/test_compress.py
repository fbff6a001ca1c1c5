import gzip
import hashlib
import io
import threading

import pytest

from builder.image.compress import LEVEL, MEMBER, Gzip

TEXT = hashlib.shake_128(b"seed").digest(MEMBER // 8) * 20


def packed(*pieces: bytes) -> tuple[bytes, object]:
    out = io.BytesIO()
    with Gzip(out) as stream:
        for piece in pieces:
            stream.write(piece)
        blob = stream.finish()
    return out.getvalue(), blob


@pytest.mark.parametrize("size", [0, 1, MEMBER - 1, MEMBER, MEMBER + 1, 2 * MEMBER])
def test_what_comes_out_is_what_went_in(size: int) -> None:
    data, blob = packed(TEXT[:size])
    assert gzip.decompress(data) == TEXT[:size]
    assert blob.diff_id == f"sha256:{hashlib.sha256(TEXT[:size]).hexdigest()}"
    assert blob.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert blob.size == len(data)


def test_the_output_does_not_depend_on_how_the_input_is_cut() -> None:
    whole = packed(TEXT)
    cut = packed(*(TEXT[at : at + 70_001] for at in range(0, len(TEXT), 70_001)))
    assert whole == cut


def test_the_bytes_are_those_of_the_pinned_compressor() -> None:
    """Every digest in the world depends on these: a change is a change of format."""
    sample = b"".join(b"line %d of a text that compresses\n" % number for number in range(60_000))
    data, _ = packed(sample)
    assert LEVEL == 5
    assert (
        hashlib.sha256(data).hexdigest() == "59c63fdfe3446fa7df0ffb645228042ecfc2d42bbac1a9571b7505ffcdc7e98d"
    )


def test_no_thread_outlives_a_failure() -> None:
    closed = io.BytesIO()
    closed.close()
    before = threading.active_count()
    with pytest.raises(ValueError, match="closed file"), Gzip(closed) as stream:
        stream.write(TEXT * 8)
    assert threading.active_count() == before
