# SPDX-License-Identifier: Apache-2.0
"""What llama.cpp makes of a GGUF file; runs under a Python that has llama-cpp-python.

    llama_greedy.py MODEL.gguf TOKENS OUT.npz 2,105,98    ids of a prompt
    llama_greedy.py MODEL.gguf 0 OUT.npz --text FILE      tokenizes the file's lines

Writes "logits" [prompt, vocabulary] and "ids" [TOKENS], taken greedily after it; or "lines", one id after
the other with -1 behind each line.
"""
import sys

import llama_cpp
import numpy as np

path, tokens, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if sys.argv[4] == "--text":
    model = llama_cpp.Llama(path, vocab_only=True, verbose=False)
    ids = []
    for line in open(sys.argv[5], encoding="utf-8"):
        ids += [*model.tokenize(line.rstrip("\n").encode(), add_bos=False, special=False), -1]
    np.savez(out, lines=ids)
    sys.exit()
prompt = [int(number) for number in sys.argv[4].split(",")]
model = llama_cpp.Llama(path, n_ctx=len(prompt) + tokens + 1, n_threads=2, logits_all=True, verbose=False,
                        type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32)
model.eval(prompt)
logits = np.array(model.scores[:len(prompt)])
ids = []
for _ in range(tokens):
    ids.append(int(np.argmax(model.scores[model.n_tokens - 1])))
    model.eval(ids[-1:])
np.savez(out, logits=logits, ids=ids)
