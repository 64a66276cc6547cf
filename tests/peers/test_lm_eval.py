# SPDX-License-Identifier: Apache-2.0
"""lm_eval asks our server through its local-completions; what it finds is what our logits say."""
import pathlib

import lm_eval
import numpy as np
import pytest
import yaml
from transformers import AutoTokenizer

from conftest import run
from test_openai_clients import NANO, url  # noqa: F401

TASK = pathlib.Path(__file__).resolve().parent / "lm_eval"


def evaluate(url, **arguments):
    """{(prompt, continuation): (log-likelihood, whether it is the likeliest)}"""
    task = yaml.safe_load((TASK / "opposites.yaml").read_text())
    task["dataset_kwargs"] = {"data_files": {"test": str(TASK / "opposites.jsonl")}}
    found = lm_eval.simple_evaluate(
        model="local-completions", tasks=[task], bootstrap_iters=0, log_samples=True, model_args={
            "model": "nano", "base_url": url + "/v1/completions", "tokenizer": str(NANO),
            "tokenizer_backend": "huggingface", **arguments})
    scores = {}
    for sample in found["samples"]["gemma3n_opposites"]:
        pairs = sample["arguments"]
        pairs = [tuple(pair.values()) for pair in pairs.values()] if isinstance(pairs, dict) else pairs
        for pair, answer in zip(pairs, sample["filtered_resps"]):
            scores[tuple(pair)] = answer
    assert len(scores) == 9
    return scores


def log_likelihood(tokenizer, prompt, continuation, directory):
    """The same from `gemma3n logits`."""
    before = tokenizer(prompt)["input_ids"]
    ids = tokenizer(prompt + continuation)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id and ids[:len(before)] == before
    run("logits", "-m", NANO, "--ids", ",".join(map(str, ids)), "--out", directory / "logits.npy",
        "--quiet")
    logits = np.load(directory / "logits.npy").astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    scores = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    rows = range(len(before) - 1, len(ids) - 1)
    return (sum(scores[row, ids[row + 1]] for row in rows),
            all(scores[row].argmax() == ids[row + 1] for row in rows))


@pytest.mark.parametrize("arguments", [{"tokenized_requests": True, "add_bos_token": True},
                                       {"tokenized_requests": True, "add_bos_token": True, "batch_size": 4},
                                       {"tokenized_requests": False}])
def test_log_likelihoods(url, arguments, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    tokenizer = AutoTokenizer.from_pretrained(NANO)
    for (prompt, continuation), (found, likeliest) in evaluate(url, **arguments).items():
        expected, is_likeliest = log_likelihood(tokenizer, prompt, continuation, tmp_path)
        assert found == pytest.approx(expected, rel=0, abs=1e-6)
        assert likeliest == is_likeliest
