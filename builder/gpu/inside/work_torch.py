"""torch: a product of matrices on each GPU against the CPU's, and the cap on its memory."""

import sys

import torch

assert torch.cuda.is_available(), "torch.cuda.is_available() is false"
cpu = torch.arange(64, dtype=torch.float64).reshape(8, 8)
for number in range(torch.cuda.device_count()):
    gpu = cpu.to(f"cuda:{number}")
    assert torch.equal((gpu @ gpu).cpu(), cpu @ cpu), f"GPU {number} computes something else than the CPU"
text = f"torch {torch.__version__}, {torch.cuda.device_count()} GPUs"
if len(sys.argv) > 1:
    whole = torch.cuda.get_device_properties(0).total_memory
    beyond = int(whole * min(1.0, float(sys.argv[1]) + 0.02))
    try:
        torch.empty(beyond, dtype=torch.uint8, device="cuda:0")
    except torch.cuda.OutOfMemoryError:
        text += f", {sys.argv[1]} of the memory and no more"
    else:
        sys.exit(f"{beyond} bytes could be taken, more than the cap of {sys.argv[1]}")
print(text)
