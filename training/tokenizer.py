# SPDX-License-Identifier: Apache-2.0
"""A small BPE tokenizer in the format and with the token roles of Gemma's tokenizer.json.

Layout of the ids: control tokens, newline runs, the 256 bytes, characters and merges up to
TEXT_VOCAB; then, as in Gemma 3n, the rows of the vision table and of the audio table.
"""
import json
import pathlib

import numpy as np
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from training import data_film, data_pictures, data_text
from training.phrases import all_phrases

TEXT_VOCAB = 1024  # vocab_size_per_layer_input
VISION_ROWS = 16
AUDIO_ROWS = 16
VOCAB = TEXT_VOCAB + VISION_ROWS + AUDIO_ROWS

CONTROL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[multimodal]", "<start_of_turn>",
           "<end_of_turn>", "<start_of_image>", "<start_of_audio>")
NEWLINES = tuple("\n" * n for n in range(1, 5))
TRANSCRIBE = "Transcribe the following speech segment."
TRANSLATE = "Transcribe the following speech segment, then translate it into English."
SAID = "What is said in the film?"


def corpus(seed=3):
    """Lines of every kind of text that the model reads or writes."""
    rng = np.random.default_rng(seed)
    lines = [TRANSCRIBE, TRANSLATE, SAID, "user", "model", "English: "] * 200
    for phrase in all_phrases():
        for text in phrase:
            lines += [text, f"English: {phrase[0]}"] * 12
    for _ in range(4000):
        lines += data_text.random_conversation(rng)
        for _, question, answer in data_pictures.questions(data_pictures.random_scene(rng)):
            lines += [question, answer]
        lines += data_film.random_film(rng)[1:]
    lines += [data_film.timestamp(second) for second in range(60)] * 2
    return lines


def _learn_merges(count):
    """BPE merges inside words; a word carries its leading space as "▁"."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(
        Regex("(?=▁)|(?<=\\n)(?=[^\\n])|(?=\\d)|(?<=\\d)"), "isolated")
    trainer = trainers.BpeTrainer(vocab_size=count, show_progress=False, special_tokens=["<unk>"],
                                  initial_alphabet=[chr(c) for c in range(33, 127)] + ["▁"])
    tokenizer.train_from_iterator(corpus(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    pieces = [piece for piece, _ in sorted(model["vocab"].items(), key=lambda kv: kv[1])]
    return pieces[1:], [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]


def build():
    """tokenizer.json as a dictionary."""
    fixed = list(CONTROL) + list(NEWLINES) + [f"<0x{b:02X}>" for b in range(256)]
    pieces, merges = _learn_merges(TEXT_VOCAB - len(fixed) + 1)
    pieces = [p for p in pieces if p not in fixed]
    names = fixed + pieces
    names += [f"<unused{i}>" for i in range(TEXT_VOCAB - len(names))]
    names += ["<end_of_image>", "<image_soft_token>"] + [f"<vision{i}>" for i in range(VISION_ROWS - 2)]
    names += ["<end_of_audio>", "<audio_soft_token>"] + [f"<audio{i}>" for i in range(AUDIO_ROWS - 2)]
    assert len(names) == VOCAB and len(set(names)) == VOCAB
    special = [i for i, n in enumerate(names) if i < len(CONTROL) or i >= TEXT_VOCAB]
    newline_merges = [("\n", "\n"), ("\n\n", "\n\n"), ("\n\n", "\n")]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": names[i], "single_word": False, "lstrip": False,
                          "rstrip": False, "normalized": False, "special": True} for i in special],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "},
                          "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": "<bos>", "type_id": 0}},
                     {"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {"id": "<bos>", "type_id": 1}},
                     {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>",
                  "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True,
                  "byte_fallback": True, "ignore_merges": False,
                  "vocab": {name: i for i, name in enumerate(names)},
                  "merges": [list(m) for m in newline_merges + merges]}}


def tokenizer_config():
    """tokenizer_config.json with the names that Gemma 3n's processor asks for."""
    roles = {"image_token": "<image_soft_token>", "audio_token": "<audio_soft_token>",
             "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>",
             "boa_token": "<start_of_audio>", "eoa_token": "<end_of_audio>"}
    return {"tokenizer_class": "GemmaTokenizer", "processor_class": "Gemma3nProcessor",
            "add_bos_token": True, "add_eos_token": False, "bos_token": "<bos>",
            "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>",
            "mask_token": "<mask>", "clean_up_tokenization_spaces": False,
            "model_max_length": 2048, "extra_special_tokens": roles, **roles}


def save(directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for name, value in (("tokenizer.json", build()), ("tokenizer_config.json", tokenizer_config())):
        (directory / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def load(directory):
    return Tokenizer.from_file(str(pathlib.Path(directory) / "tokenizer.json"))
