# SPDX-License-Identifier: Apache-2.0
"""Holds the engine's text decoder against a reference on random small models.

    check_text_decoder.py --tool build/dev/bin/text_logits [--seeds 0:8] [--reference numpy]

--reference numpy      text_decoder.py beside this file, with all intermediates
--reference goldens    what Transformers gave when tools/reference/make_text_goldens.py ran
--reference transformers   Hugging Face's own code live (float32, eager attention, cache on); needs
                       torch and transformers

Prints a table; fails when logits are off by more than the tolerance
of tests/tolerances.h or when 64 greedy tokens differ.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import checkpoint  # noqa: E402
import text_decoder  # noqa: E402

GREEDY = 64


def tolerance():
    text = (pathlib.Path(__file__).parents[1] / "tolerances.h").read_text()
    return float(re.search(r"kLogitsTolerance = ([0-9.e-]+);", text).group(1))


class NumpyReference:
    def __init__(self, directory, seed):
        self.model = text_decoder.TextDecoder(*checkpoint.read(directory))

    def logits(self, ids):
        self.model.seen = {}
        return self.model.logits(ids)

    def intermediates(self):
        return self.model.seen

    def greedy_margins(self, ids, chosen):
        """How far each chosen id lies below the best one, given those before it."""
        self.model.seen = None
        out = self.model.logits(list(ids) + list(chosen[:-1]))[len(ids) - 1 :]
        return out.max(axis=-1) - out[np.arange(len(chosen)), chosen]


class GoldenReference:
    """Logits of the last position and 64 greedy ids, for each of lengths()."""

    def __init__(self, directory, seed):
        self.all_logits, self.all_greedy = (np.load(path) for path in golden_paths(seed))
        self.at = -1

    def logits(self, ids):
        self.at += 1
        return self.all_logits[self.at : self.at + 1]

    def intermediates(self):
        return {}

    def greedy_margins(self, ids, chosen):
        return np.where(chosen == self.all_greedy[self.at], 0.0, np.inf)


def golden_paths(seed):
    folder = pathlib.Path(__file__).parents[1] / "goldens" / "text"
    return folder / f"seed_{seed}.logits.npy", folder / f"seed_{seed}.greedy.npy"


class TransformersReference:
    def __init__(self, directory, seed):
        import torch
        from transformers import Gemma3nForCausalLM

        self.torch = torch
        self.model = Gemma3nForCausalLM.from_pretrained(
            directory, dtype=torch.float32, attn_implementation="eager"
        ).eval()

    def run(self, ids, **more):
        with self.torch.no_grad():
            return self.model(self.torch.tensor([list(map(int, ids))]), use_cache=True, **more)

    def logits(self, ids):
        return self.run(ids).logits[0].numpy()

    def intermediates(self):
        return {}

    def greedy(self, ids):
        out, chosen = self.run(ids), []
        for _ in range(GREEDY):
            chosen.append(int(out.logits[0, -1].argmax()))
            out = self.run([chosen[-1]], past_key_values=out.past_key_values)
        return chosen

    def greedy_margins(self, ids, chosen):
        out, margins = self.run(ids), []
        for token in chosen:
            last = out.logits[0, -1]
            margins.append(float(last.max() - last[int(token)]))
            out = self.run([token], past_key_values=out.past_key_values)
        return np.array(margins)


def relative_difference(ours, reference):
    ours = ours[-len(reference) :]  # a golden holds the last position only
    return float(np.abs(ours - reference).max() / np.abs(reference).max())


def lengths(window):
    return [1, window - 1, window, window + 1, 2 * window + 5, 140]


def prompts(config, seed):
    random = checkpoint.Random(seed + 77)
    for length in lengths(config["sliding_window"]):
        yield [random.integer(0, config["vocab_size"] - 1) for _ in range(length)]


def check(reference_class, tool, seed, directory):
    config = checkpoint.random_config(seed)
    checkpoint.write(directory, config, seed)
    reference = reference_class(directory, seed)
    rows = []
    for number, ids in enumerate(prompts(config, seed)):
        length = len(ids)
        out = pathlib.Path(directory) / f"out{length}"
        out.mkdir(exist_ok=True)
        chunk = [7, 64, 256][(seed + number) % 3]
        subprocess.run([tool, directory, ",".join(map(str, ids)), out, str(chunk)], check=True)
        expected = reference.logits(ids)
        worst = ("logits", relative_difference(np.load(out / "logits.npy"), expected))
        for name, value in reference.intermediates().items():
            if name.startswith("layer_") or name == "merged":
                difference = relative_difference(np.load(out / f"{name}.npy"), value)
                if difference > worst[1]:
                    worst = (name, difference)
        # Two ids whose logits are closer than the tolerance may stand in either order.
        margins = reference.greedy_margins(ids, np.load(out / "greedy.npy"))
        rows.append(
            {
                "tokens": length,
                "logits": relative_difference(np.load(out / "logits.npy"), expected),
                "worst": worst,
                "greedy": int((margins > 0).sum()),
                "margin": float(margins.max() / np.abs(expected).max()),
            }
        )
    return config, rows


REFERENCES = {
    "numpy": NumpyReference,
    "goldens": GoldenReference,
    "transformers": TransformersReference,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", required=True)
    parser.add_argument("--seeds", default="0:8", help="first:end")
    parser.add_argument("--reference", choices=list(REFERENCES), default="numpy")
    arguments = parser.parse_args()
    limit, failures = tolerance(), 0
    print("seed layers own hidden heads dim streams dtype    tokens   logits  greedy  worst value")
    for seed in range(*map(int, arguments.seeds.split(":"))):
        with tempfile.TemporaryDirectory() as directory:
            c, rows = check(REFERENCES[arguments.reference], arguments.tool, seed, directory)
        own = c["num_hidden_layers"] - c["num_kv_shared_layers"]
        for row in rows:
            bad = row["logits"] > limit or row["margin"] > limit
            failures += bad
            heads = f"{c['num_attention_heads']}/{c['num_key_value_heads']}"
            print(
                f"{seed:4} {c['num_hidden_layers']:6} {own:3} {c['hidden_size']:6} {heads:>5}"
                f" {c['head_dim']:3} {c['altup_num_inputs']:7} {c['torch_dtype']:8}"
                f" {row['tokens']:6} {row['logits']:8.1e} {GREEDY - row['greedy']:4}/{GREEDY}"
                f"  {row['worst'][0]} {row['worst'][1]:.1e}" + ("  FAILED" if bad else "")
            )
    print(f"{failures} failures; tolerance {limit:g} of the largest logit")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
