# SPDX-License-Identifier: Apache-2.0
"""Answers held to schemas: what comes out is looked at by another validator.

    schema_test.py GEMMA3N SCHEMA_SAMPLES
    schema_test.py GEMMA3N SCHEMA_SAMPLES --many 5000 [SEED]

The second form tries so many random schemas and prints what it found.
"""
import datetime
import ipaddress
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unittest

import jsonschema

import random_schemas

GEMMA3N, SAMPLES = sys.argv.pop(1), sys.argv.pop(1)
NANO = pathlib.Path(__file__).resolve().parents[2] / "models" / "nano"

CHECKER = jsonschema.FormatChecker(formats=())


def check(name):
    """Of strings alone: other values have no format."""
    def wrap(is_valid):
        CHECKER.checks(name, raises=ValueError)(
            lambda value: not isinstance(value, str) or is_valid(value))
        return is_valid
    return wrap


@check("date")
def is_date(text):
    return (bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII))
            and bool(datetime.date.fromisoformat(text)))


@check("time")
def is_time(text):
    found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-](\d\d):(\d\d))", text, re.ASCII)
    return bool(found) and all(int(found[i] or 0) < most for i, most in
                               ((1, 24), (2, 60), (3, 60), (6, 24), (7, 60)))


@check("date-time")
def is_date_time(text):
    date, _, time = text.partition("T")
    return is_date(date) and is_time(time)


@check("uuid")
def is_uuid(text):
    return bool(re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text))


@check("email")
def is_email(text):
    local, at, domain = text.rpartition("@")
    atom = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
    label = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    return (bool(at) and len(local) <= 64 and len(text) <= 254
            and bool(re.fullmatch(rf"{atom}(\.{atom})*", local))
            and bool(re.fullmatch(rf"{label}(\.{label})+", domain)))


@check("ipv4")
def is_ipv4(text):
    return bool(ipaddress.IPv4Address(text))


@check("ipv6")
def is_ipv6(text):
    return bool(ipaddress.IPv6Address(text)) or True


def validator(schema):
    return jsonschema.Draft202012Validator(schema, format_checker=CHECKER)


def ask(questions):
    lines = "".join(json.dumps(question, ensure_ascii=True) + "\n" for question in questions)
    done = subprocess.run([SAMPLES, str(NANO / "tokenizer.json")], input=lines.encode(),
                          capture_output=True, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr.decode())
    answers = [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]
    assert len(answers) == len(questions)
    return answers


def try_schemas(count, seed, samples=6, values=4):
    """What is wrong with random schemas: (faults, samples that were validated, values accepted)."""
    chance = random.Random(seed)
    found = [random_schemas.root(chance) for _ in range(count)]
    texts = [json.dumps(s.text) for s in found]
    drawn = ask([{"schema": t, "samples": samples, "seed": i} for i, t in enumerate(texts)])
    faults, validated, accepted, unfinished = [], 0, 0, 0
    for schema, answer in zip(found, drawn):
        if "refused" in answer:
            faults.append(f"refused {schema.text}: {answer['refused']}")
            continue
        unfinished += answer["unfinished"]
        checks = validator(schema.text)
        for text in answer["samples"]:
            validated += 1
            try:
                error = next(checks.iter_errors(json.loads(text)), None)
            except ValueError as not_json:
                error = not_json
            if error:
                faults.append(f"{text!r} for {schema.text}: {str(error)[:200]}")
    questions, kept = [], []
    for schema, text in zip(found, texts):
        made = [schema.make(chance) for _ in range(values)]
        # A maker does not know what several constraints leave together.
        good = [m for m in made if next(validator(schema.text).iter_errors(m), None) is None]
        kept.append([random_schemas.dumps(m) for m in good])
        questions.append({"schema": text, "accepts": kept[-1]})
    for schema, values_, answer in zip(found, kept, ask(questions)):
        for value, ok in zip(values_, answer.get("accepts", [])):
            accepted += ok
            if not ok:
                faults.append(f"not accepted {value} by {schema.text}")
    return faults, validated, accepted, unfinished


class RandomSchemas(unittest.TestCase):
    def test_what_comes_out_is_valid_and_what_is_valid_is_let_through(self):
        faults, validated, accepted, unfinished = try_schemas(250, seed=1)
        self.assertEqual(faults[:5], [])
        self.assertGreater(validated, 1200)
        self.assertGreater(accepted, 600)
        self.assertLess(unfinished, validated / 20)


class Program(unittest.TestCase):
    """Answers of the embedded model, whose text is random-ish outside of what it was trained on."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = pathlib.Path(self.folder.name) / "schema.json"

    def run_with(self, *arguments, text="What is 7 plus 5?"):
        done = subprocess.run([GEMMA3N, "run", "-m", str(NANO), *map(str, arguments), text],
                              capture_output=True, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_answers_are_valid(self):
        chance = random.Random(3)
        finished = 0
        for i in range(12):
            schema = random_schemas.root(chance)
            self.file.write_text(json.dumps(schema.text))
            code, out, err = self.run_with("--schema", self.file, "--temp", 1 + i % 2, "--seed", i,
                                           "--max-tokens", 400, "--json")
            self.assertEqual(code, 0, err)
            answer = json.loads(out)
            if answer["finish_reason"] == "length":
                continue
            finished += 1
            validator(schema.text).validate(json.loads(answer["text"]))
        self.assertGreater(finished, 6)

    def test_any_object(self):
        finished = 0
        for seed in range(6):
            code, out, err = self.run_with("--json-object", "--temp", 1.5, "--seed", seed, "--json")
            self.assertEqual(code, 0, err)
            answer = json.loads(out)
            self.assertEqual(answer["text"][0], "{")
            if answer["finish_reason"] == "stop":
                finished += 1
                self.assertIsInstance(json.loads(answer["text"]), dict)
        self.assertGreater(finished, 2)

    def test_cut_answers_are_beginnings(self):
        self.file.write_text('{"const": "abcdefghijklmnopqrstuvwxyz"}')
        code, out, _ = self.run_with("--schema", self.file, "--max-tokens", 3)
        self.assertEqual(code, 0)
        self.assertTrue('"abcdefghijklmnopqrstuvwxyz"'.startswith(out.strip()))

    def test_refusals(self):
        for schema, found in (('{"properties": {"a": {"not": {}}}}',
                               f"{self.file}: /properties/a/not: the keyword 'not' is not supported"),
                              ("{", "expected a JSON text"),
                              ('{"pattern": "("}', "/pattern: byte 1"),
                              ("1" * 300000, "expected at most 262144 bytes")):
            self.file.write_text(schema)
            code, out, err = self.run_with("--schema", self.file)
            self.assertEqual((code, out), (2, ""), err)
            self.assertIn(found, err)
        self.assertIn("found none", self.run_with("--schema", self.folder.name)[2])
        self.assertEqual(self.run_with("--schema", self.file, "--json-object")[0], 2)
        self.file.write_text("{}")
        self.assertIn("not together with speculation",
                      self.run_with("--schema", self.file, "--speculate", "lookup")[2])

    def test_chat(self):
        self.file.write_text('{"enum": ["yes", "no"]}')
        lines = (f"/set schema {self.file}\nIs it?\n/set\n/set schema object\n/set max-tokens 1\n"
                 "Is it?\n/set schema gone.json\n/set schema off\n/set\n/bye\n")
        done = subprocess.run([GEMMA3N, "chat", "-m", str(NANO)], input=lines.encode(),
                              capture_output=True, check=False)
        out, err = done.stdout.decode(), done.stderr.decode()
        first, second = out.split("\n")[:2]
        self.assertIn(first, ('"yes"', '"no"'))
        self.assertEqual(second[0], "{")
        for part in (f"schema {self.file}", "gone.json: expected a file", "schema off"):
            self.assertIn(part, err)


def many(count, seed):
    faults, validated, accepted, unfinished = [], 0, 0, 0
    for first in range(0, count, 500):
        part = try_schemas(min(500, count - first), seed + first)
        faults += part[0]
        validated, accepted, unfinished = (a + b for a, b in zip((validated, accepted, unfinished), part[1:]))
    print("\n".join(fault[:600] for fault in faults[:6]))
    print(f"{count} schemas: {validated} samples validated, {unfinished} not finished, "
          f"{accepted} values accepted, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    if "--many" in sys.argv:
        at = sys.argv.index("--many")
        numbers = [int(n) for n in sys.argv[at + 1:]] + [1]
        sys.exit(many(numbers[0], numbers[1]))
    unittest.main()
