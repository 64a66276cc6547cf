# SPDX-License-Identifier: Apache-2.0
"""The vision encoder beside timm's in float32 on PyTorch, in turns, with the same number of threads.

    .venv-peers/bin/python bench/encoders_beside_timm.py build/release/bin/encoder_bench MODEL [--threads 2]

MODEL has the shape of Google's (gemma3n synth --like e2b, packed by gemma3n quantize); timm draws weights of its
own, since how long a product takes does not depend on them. Prints a table in Markdown: medians of all rounds, and
the range of the ratios of neighbouring runs. timm is measured in the memory format that is faster for it.
"""
import argparse
import re
import statistics
import subprocess
import time

import timm
import torch


class Peer:
    """timm's encoder in one memory format."""

    def __init__(self, memory_format):
        self.format = memory_format
        self.model = timm.create_model("mobilenetv5_300m_enc", pretrained=False).eval().to(memory_format=memory_format)

    @torch.inference_mode()
    def milliseconds(self, side):
        pixels = torch.rand(1, 3, side, side).to(memory_format=self.format)
        begin = time.perf_counter()
        self.model(pixels)
        return 1000 * (time.perf_counter() - begin)


def ours(options, side):
    """Milliseconds, a run after one that is not measured."""
    out = subprocess.run([options.bench, options.model, str(options.threads), "1", str(side)],
                         check=True, capture_output=True, text=True).stdout
    return float(re.match(r"\d+: (\d+) ms", out)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", default="768,512,256")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    peers = [Peer(torch.contiguous_format), Peer(torch.channels_last)]
    for peer in peers:
        peer.milliseconds(256)
    peer = min(peers, key=lambda peer: min(peer.milliseconds(256) for _ in range(2)))
    print(f"timm {timm.__version__}, torch {torch.__version__}, {options.threads} threads, {peer.format}\n")
    print("| picture | timm float32 | here | ratio |\n|---|---|---|---|")
    for side in map(int, options.sides.split(",")):
        peer.milliseconds(side)
        pairs = [(peer.milliseconds(side), ours(options, side)) for _ in range(options.rounds)]
        theirs, here = (statistics.median(column) for column in zip(*pairs))
        ratios = sorted(a / b for a, b in pairs)
        print(f"| {side} x {side} | {theirs:.0f} ms | {here:.0f} ms | {theirs / here:.1f} "
              f"({ratios[0]:.1f} to {ratios[-1]:.1f}) |", flush=True)


if __name__ == "__main__":
    main()
