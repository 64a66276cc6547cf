# SPDX-License-Identifier: Apache-2.0
"""llama.cpp over GGUF files of ours, as xllamacpp has it: a server on this machine's loopback."""
import contextlib
import json
import urllib.request

import xllamacpp


@contextlib.contextmanager
def serve(path):
    """A function (place, request) -> answer of llama.cpp's server; 2 threads, keys and values in float32."""
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel, params.warmup, params.verbosity = 512, 1, False, 0
    params.cpuparams.n_threads = 2
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    server = xllamacpp.Server(params)

    def ask(place, request):
        request = urllib.request.Request(server.listening_address + place, json.dumps(request).encode(),
                                         {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request))

    yield ask
    del server


def greedy(path, prompt, tokens):
    """The ids that llama.cpp takes after those of `prompt`, what ends a text left out."""
    with serve(path) as ask:
        return ask("/completion", {"prompt": prompt, "n_predict": tokens, "temperature": 0, "return_tokens": True, "ignore_eos": True,
                                   "samplers": ["temperature"], "cache_prompt": False})["tokens"]


def log_probabilities(path, prompts, vocabulary):
    """{number of the prompt: list of `vocabulary` log-probabilities after it}. Prompts whose likeliest token is
    a part of a character are left out: the server says nothing of those."""
    found = {}
    with serve(path) as ask:
        for number, prompt in enumerate(prompts):
            answer = ask("/completion", {"prompt": prompt, "n_predict": 1, "temperature": 0, "n_probs": vocabulary,
                                         "samplers": ["temperature"], "cache_prompt": False})
            if answer.get("completion_probabilities"):
                top = answer["completion_probabilities"][0]["top_logprobs"]
                values = {entry["id"]: entry["logprob"] for entry in top}
                found[number] = [values[token] for token in range(vocabulary)]
    return found
