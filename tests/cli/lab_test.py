# SPDX-License-Identifier: Apache-2.0
"""gemma3n lab on the toy model: that it searches as promised and that its files are of use.

    lab_test.py GEMMA3N
"""
import json
import pathlib
import signal
import time
import unittest
import xml.etree.ElementTree

from program import Program, call, start

NANO = pathlib.Path(__file__).resolve().parent.parent.parent / "models" / "nano"
SVG = "{http://www.w3.org/2000/svg}"
FEW = ("--grid", 4, "--evaluations", 48, "--timing", 0)


def lab(*arguments):
    code, out, err = call("lab", "-m", NANO, *arguments)
    assert code == 0, err
    return out


class Lab(Program):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lines = (NANO / "eval" / "eval.jsonl").read_text().splitlines()
        texts = [line for line in lines if json.loads(line)["task"].startswith("text")]
        cls.items = cls.place / "items.jsonl"
        cls.items.write_text("\n".join(texts[::5]) + "\n")
        cls.json, cls.svg = cls.place / "out.json", cls.place / "out.svg"
        cls.table = lab(cls.items, *FEW, "--budget", "60%", "--json", cls.json, "--svg", cls.svg)
        cls.report = json.loads(cls.json.read_text())

    def chosen(self, report):
        return [size for size in report["sizes"] if size["kind"] == "chosen"]

    def test_chooses_within_the_budget(self):
        sizes = {size["name"]: size for size in self.report["sizes"]}
        (chosen,) = self.chosen(self.report)
        full = sizes["full"]
        self.assertLessEqual(chosen["effective_parameters"], 0.6 * full["effective_parameters"])
        self.assertEqual(self.report["size"], chosen["size"])
        self.assertEqual(full["kl"], 0)
        for name in ("uniform 384", "uniform 256", "uniform 128"):
            self.assertEqual(sizes[name]["kind"], "uniform")
            if sizes[name]["cost"] <= 0.6 * full["cost"]:
                self.assertLessEqual(chosen["nll"], sizes[name]["nll"])
        self.assertLess(chosen["memory_bytes"], full["memory_bytes"])
        self.assertLess(chosen["weight_bytes_per_token"], full["weight_bytes_per_token"])
        self.assertIn("held_out_nll", chosen)
        self.assertNotIn("answers", sizes["uniform 128"])
        self.assertEqual(full["answers"]["items"], len(self.items.read_text().splitlines()))
        layers = self.report["layers"]
        self.assertEqual({layer["layer"] for layer in layers}, set(range(10)))
        self.assertIn((5, 0), [(layer["layer"], layer["ffn_width"]) for layer in layers])
        costs = [size["cost"] for size in self.report["front"]]
        losses = [size["loss"] for size in self.report["front"]]
        self.assertEqual(costs, sorted(costs))
        self.assertEqual(losses, sorted(losses, reverse=True))

    def test_table_and_plot(self):
        self.assertIn("48 sizes scored", self.table)
        for part in ("* for 60%", "  full ", "uniform 256", "parameters", "held out", "right",
                     "negative log-likelihood", "effective parameters, millions", "o Pareto front",
                     "--size '"):
            self.assertIn(part, self.table)
        self.assertTrue(all(len(line) <= 120 for line in self.table.splitlines()))

    def test_its_json_and_its_words_are_sizes(self):
        (chosen,) = self.chosen(self.report)
        words = self.table.split("--size '")[1].split("'")[0]
        for size in (self.json, words):
            code, out, err = call("inspect", "-m", NANO, "--size", size, "--json")
            self.assertEqual(code, 0, err)
        answers = [call("run", "-m", NANO, "--size", size, "--temp", 0, "--quiet", "copy: red")[1]
                   for size in (self.json, words)]
        self.assertEqual(*answers)

    def test_svg_reads_by_itself(self):
        root = xml.etree.ElementTree.parse(self.svg).getroot()
        self.assertEqual(root.tag, SVG + "svg")
        texts = [text.text for text in root.iter(SVG + "text")]
        for part in ("effective parameters, millions", "negative log-likelihood, nats a token",
                     "nano, sizes scored on items.jsonl", "tried by the search", "uniform width",
                     "the full model", "chosen", "Pareto front of all", "for 60%"):
            self.assertIn(part, texts)
        tips = [tip.text for tip in root.iter(SVG + "title")]
        self.assertEqual(len([tip for tip in tips if tip.startswith("for 60%: ")]), 1)
        self.assertTrue(any(shape.get("points") for shape in root.iter(SVG + "polyline")))

    def test_same_again(self):
        other = self.place / "other.json"
        lab(self.items, *FEW, "--budget", "60%", "--json", other)
        self.assertEqual(json.loads(other.read_text()), self.report)

    def test_scores_are_kept(self):
        state = pathlib.Path(str(self.json) + ".scores")
        self.assertEqual(len(json.loads(state.read_text())["scores"]), 48)
        code, _, err = call("lab", "-m", NANO, self.items, *FEW, "--budget", "60%", "--state", state)
        self.assertEqual(code, 0)
        self.assertIn("48 sizes are scored already", err)
        arguments = ("lab", "-m", NANO, self.items, *FEW, "--state")
        self.refused(2, "--restart", *arguments, state, "--limit", 3)
        nonsense = self.place / "nonsense"
        nonsense.write_text("{}")
        self.refused(2, "expected scores of an earlier run", *arguments, nonsense)

    def test_goes_on_after_an_interrupt(self):
        state, out = self.place / "state", self.place / "resumed.json"
        arguments = ("lab", "-m", NANO, self.items, *FEW, "--answers", "none", "--budget", "60%,80%",
                     "--state", state, "--json", out)
        process = start(*arguments)
        while not state.exists():
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        text, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn(b"interrupted: this is what was complete", text)
        self.assertIn(b"uniform 128", text)
        self.assertFalse(out.exists())
        scored = len(json.loads(state.read_text())["scores"])
        self.assertTrue(0 < scored < 48, scored)
        self.assertEqual(call(*arguments)[0], 0)
        fresh = self.place / "fresh.json"
        lab(*arguments[3:-4], "--json", fresh)
        self.assertEqual(json.loads(out.read_text()), json.loads(fresh.read_text()))

    def test_choices(self):
        items = self.place / "choices.jsonl"
        question = {"prompt": "What is the opposite of hot?", "answer": "cold"}
        items.write_text(json.dumps({**question, "choices": ["cold", "green green green"]}) + "\n")
        out = self.place / "choices.json"
        table = lab(items, "--grid", 2, "--evaluations", 5, "--timing", 0, "--json", out)
        self.assertIn("choices", table)
        full = [s for s in json.loads(out.read_text())["sizes"] if s["kind"] == "full"][0]
        self.assertEqual(full["answers"]["choice_items"], 1)
        self.assertEqual(full["answers"]["choices_right"], 1)
        self.assertNotIn("held_out_nll", full)  # one item cannot be divided
        items.write_text(json.dumps({**question, "choices": ["warm"]}) + "\n")
        self.refused(2, "choices: expected the answer among them", "lab", "-m", NANO, items)

    def test_texts_and_speed(self):
        text = self.place / "text.txt"
        text.write_text("copy: red blue green\n" * 20)
        out = self.place / "text.json"
        lab(text, "--metric", "kl", "--budget", "1 tok/s", "--grid", 2, "--evaluations", 12,
            "--timing", 0.01, "--json", out)
        report = json.loads(out.read_text())
        (chosen,) = self.chosen(report)
        self.assertEqual(chosen["kl"], 0)  # the full model is fast enough, and equals itself
        self.assertGreater(chosen["decode_tokens_per_second"], 1)
        self.assertGreater(chosen["prefill_tokens_per_second"], 1)

    def test_without_data(self):
        code, out, err = call("lab", "-m", self.model, "--limit", 1, "--evaluations", 6, "--grid", 2,
                              "--timing", 0)
        self.assertEqual(code, 0, err)
        self.assertIn("the built-in text", out)

    def test_budgets(self):
        for budget in ("2.5", "x", "-1B", "0B", "1.2TB", "nanB"):
            self.refused(2, "--budget: expected effective parameters", "lab", "-m", NANO, "--budget",
                         budget)
        self.refused(2, "budgets of one kind", "lab", "-m", NANO, "--budget", "1M,1MB")
        for option in ("--json", "--svg", "--state"):
            self.refused(2, "cannot be written", "lab", "-m", NANO, option, "/nowhere/file")
        out = lab(self.items, "--budget", "1K", "--grid", 2, "--evaluations", 5, "--timing", 0,
                  "--answers", "none")
        self.assertIn("for 1K: no size is so small", out)


if __name__ == "__main__":
    unittest.main()
