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
    """The text model and the embedders of Transformers; towers, which no text needs, are left out."""

    def __init__(self, directory, seed):
        import torch
        from transformers import Gemma3nForCausalLM, Gemma3nTextConfig

        self.torch = torch
        config, tensors = checkpoint.read(directory)
        tensors = {name: torch.from_numpy(t).float() for name, t in tensors.items()}
        text_config = Gemma3nTextConfig(**checkpoint.text_of(config))
        text_config._attn_implementation = "eager"
        self.model = Gemma3nForCausalLM(text_config).eval()
        self.load(self.model, tensors, {"model.language_model.": "model.", "model.": "model."})
        self.embedders = {
            name: self.embedder(config[f"{name}_config"], text_config, tensors, name)
            for name in ("vision", "audio")
            if f"{name}_config" in config
        }

    def embedder(self, sizes, text_config, tensors, name):
        from types import SimpleNamespace

        from transformers.models.gemma3n.modeling_gemma3n import Gemma3nMultimodalEmbedder

        embedder = Gemma3nMultimodalEmbedder(SimpleNamespace(**sizes), text_config).eval()
        self.load(embedder, tensors, {f"model.embed_{name}.": ""})
        return embedder

    @staticmethod
    def load(module, tensors, prefixes):
        state = {}
        for name, tensor in tensors.items():
            prefix = next((p for p in prefixes if name.startswith(p)), None)
            if prefix is not None:
                state[prefixes[prefix] + name[len(prefix) :]] = tensor
        known = module.state_dict()
        missing = known.keys() - state.keys() - {"lm_head.weight"}
        assert not missing, sorted(missing)
        module.load_state_dict({k: v for k, v in state.items() if k in known}, strict=False)

    def run(self, ids, **more):
        ids = self.torch.tensor([list(map(int, ids))])
        with self.torch.no_grad():
            if self.embedders:
                embedded = self.model.get_input_embeddings()(ids)
                for embedder in self.embedders.values():  # as Gemma3nModel.forward: audio last
                    own = (ids >= embedder.vocab_offset) & (
                        ids < embedder.vocab_offset + embedder.vocab_size
                    )
                    if own.any():
                        embedded[own] = embedder(input_ids=ids[own][None])[0]
                more["per_layer_inputs"] = self.model.model.get_per_layer_inputs(ids)
                return self.model(inputs_embeds=embedded, use_cache=True, **more)
            return self.model(ids, use_cache=True, **more)

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
    for length in lengths(checkpoint.text_of(config)["sliding_window"]):
        yield [random.integer(0, checkpoint.text_of(config)["vocab_size"] - 1) for _ in range(length)]


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
        dtype, c = c["torch_dtype"], checkpoint.text_of(c)
        own = c["num_hidden_layers"] - c["num_kv_shared_layers"]
        for row in rows:
            bad = row["logits"] > limit or row["margin"] > limit
            failures += bad
            heads = f"{c['num_attention_heads']}/{c['num_key_value_heads']}"
            print(
                f"{seed:4} {c['num_hidden_layers']:6} {own:3} {c['hidden_size']:6} {heads:>5}"
                f" {c['head_dim']:3} {c['altup_num_inputs']:7} {dtype:8}"
                f" {row['tokens']:6} {row['logits']:8.1e} {GREEDY - row['greedy']:4}/{GREEDY}"
                f"  {row['worst'][0]} {row['worst'][1]:.1e}" + ("  FAILED" if bad else "")
            )
    print(f"{failures} failures; tolerance {limit:g} of the largest logit")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
