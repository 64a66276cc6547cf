# SPDX-License-Identifier: Apache-2.0
"""Writes tests/goldens/text: what Transformers gives for the random models of tests/reference.

    pip install torch transformers==5.23.0
    OMP_NUM_THREADS=1 python3 tools/reference/make_text_goldens.py --seeds 0:6

The models themselves are not stored: tests/reference/checkpoint.py makes the same bytes from a seed
anywhere. For every model and every length of check_text_decoder.lengths(): the logits of the last
position, float32, and the 64 ids that greedy decoding adds.
"""

import argparse
import pathlib
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests" / "reference"))
import check_text_decoder  # noqa: E402
import checkpoint  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0:6", help="first:end")
    for seed in range(*map(int, parser.parse_args().seeds.split(":"))):
        config = checkpoint.random_config(seed)
        logits, greedy = [], []
        with tempfile.TemporaryDirectory() as directory:
            checkpoint.write(directory, config, seed)
            reference = check_text_decoder.TransformersReference(directory, seed)
            for ids in check_text_decoder.prompts(config, seed):
                logits.append(reference.logits(ids)[-1])
                greedy.append(reference.greedy(ids))
        logits_path, greedy_path = check_text_decoder.golden_paths(seed)
        logits_path.parent.mkdir(parents=True, exist_ok=True)
        np.save(logits_path, np.stack(logits).astype(np.float32))
        np.save(greedy_path, np.array(greedy, dtype=np.int32))
        print(f"seed {seed}: {len(logits)} prompts, vocabulary {checkpoint.text_of(config)['vocab_size']}")


if __name__ == "__main__":
    main()
