# SPDX-License-Identifier: Apache-2.0
"""The encoders beside the reference's in float32 on PyTorch, in turns, with the same number of threads.

    .venv-peers/bin/python bench/encoders_beside_reference.py build/release/bin/encoder_bench MODEL [--threads 2]

MODEL has the shape of Google's (gemma3n synth --like e2b, packed by gemma3n quantize); the reference draws weights of
its own, since how long a product takes does not depend on them. Prints a table in Markdown: medians of all rounds, and
the range of the ratios of neighbouring runs. timm is measured in the memory format that is faster for it; sound is
measured from samples on, with the reference's feature extractor.
"""
import argparse
import re
import statistics
import subprocess
import time

import numpy
import timm
import torch
import transformers


class Pictures:
    """timm's encoder in one memory format."""

    def __init__(self, memory_format):
        self.format = memory_format
        self.model = timm.create_model("mobilenetv5_300m_enc", pretrained=False).eval().to(memory_format=memory_format)

    @classmethod
    def faster(cls):
        peers = [cls(torch.contiguous_format), cls(torch.channels_last)]
        for peer in peers:
            peer.milliseconds("256")
        return min(peers, key=lambda peer: min(peer.milliseconds("256") for _ in range(2)))

    @torch.inference_mode()
    def milliseconds(self, side):
        pixels = torch.rand(1, 3, int(side), int(side)).to(memory_format=self.format)
        begin = time.perf_counter()
        self.model(pixels)
        return 1000 * (time.perf_counter() - begin)


class Sound:
    """Transformers' feature extractor and audio encoder at the released sizes, which are its defaults."""

    def __init__(self):
        self.extractor = transformers.Gemma3nAudioFeatureExtractor()
        self.model = transformers.Gemma3nAudioEncoder(transformers.Gemma3nAudioConfig()).eval()

    @torch.inference_mode()
    def milliseconds(self, seconds):
        samples = numpy.random.default_rng(1).normal(0, 0.1, int(float(seconds.rstrip("s")) * 16000))
        begin = time.perf_counter()
        mel = self.extractor([samples.astype(numpy.float32)], return_tensors="pt")
        self.model(mel["input_features"], ~mel["input_features_mask"])
        return 1000 * (time.perf_counter() - begin)


def ours(options, what):
    """Milliseconds, a run after one that is not measured."""
    out = subprocess.run([options.bench, options.model, str(options.threads), "1", what],
                         check=True, capture_output=True, text=True).stdout
    return float(re.match(r"[^:]+: (\d+) ms", out)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--what", default="768,512,256,30s,10s,1s", help="sides of pictures, seconds of sound")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    wanted = options.what.split(",")
    sound = Sound() if any(what.endswith("s") for what in wanted) else None
    pictures = Pictures.faster() if any(not what.endswith("s") for what in wanted) else None
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, timm {timm.__version__}, "
          f"{options.threads} threads{', ' + str(pictures.format) if pictures else ''}\n")
    print("| | reference, float32 | here | ratio |\n|---|---|---|---|")
    for what in wanted:
        peer = sound if what.endswith("s") else pictures
        peer.milliseconds(what)
        pairs = [(peer.milliseconds(what), ours(options, what)) for _ in range(options.rounds)]
        theirs, here = (statistics.median(column) for column in zip(*pairs))
        ratios = sorted(a / b for a, b in pairs)
        name = what.replace("s", " s of sound") if what.endswith("s") else f"{what} x {what}"
        print(f"| {name} | {theirs:.0f} ms | {here:.0f} ms | {theirs / here:.1f} "
              f"({ratios[0]:.1f} to {ratios[-1]:.1f}) |", flush=True)


if __name__ == "__main__":
    main()
