# SPDX-License-Identifier: Apache-2.0
"""gemma3n bench on the toy model: that it measures what was asked and tells it as promised.

    bench_test.py GEMMA3N
"""
import json
import pathlib
import signal
import time
import unittest

from program import Program, call, start

NANO = pathlib.Path(__file__).resolve().parent.parent.parent / "models" / "nano"
FEW = ("--prefill", "16,300", "--decode", "5", "--depth", "0,20", "--image", "64", "--audio", "0.5,1",
       "--start", "12", "--reps", "2")
NAMES = ["load", "start12", "pp16", "pp300", "tg5", "tg5@20", "image64", "audio0.5", "audio1"]
NOTHING = ("--prefill", 0, "--decode", 0, "--image", 0, "--audio", 0, "--start", 0)


def bench(*arguments):
    code, out, err = call("bench", "-m", NANO, *arguments)
    assert code == 0, err
    return out


class Bench(Program):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.before = cls.place / "before.json"
        cls.before.write_text(bench(*FEW, "--threads", 1, "--json"))

    def test_json(self):
        report = json.loads(self.before.read_text())
        settings = report["settings"]
        self.assertEqual(settings["threads"], 1)
        self.assertEqual(settings["model"], str(NANO))
        self.assertEqual(settings["repetitions"], 2)
        self.assertEqual(settings["kv"], "f32")  # what `auto` is for float weights
        for name in ("version", "float_kernels", "integer_kernels", "processor"):
            self.assertIsInstance(settings[name], str)
        results = {r["name"]: r for r in report["results"]}
        self.assertEqual(list(results), NAMES)
        for result in results.values():
            self.assertEqual(len(result["seconds"]), 2)
            self.assertTrue(0 < min(result["seconds"]) <= result["median_seconds"])
            self.assertTrue(0 < result["least"] <= result["median"] <= result["most"])
            memory = result["memory"]
            self.assertGreater(memory["anonymous_bytes"], 0)
            self.assertGreater(memory["file_bytes"], 0)
            self.assertGreater(memory["resident_bytes"], 1 << 20)
            self.assertNotIn("speed_ratio", result)
        deep = results["tg5@20"]
        self.assertEqual((deep["kind"], deep["amount"], deep["depth"], deep["unit"]),
                         ("decode", 5, 20, "tokens/s"))
        self.assertAlmostEqual(deep["median"], 5 / deep["median_seconds"])
        sound = results["audio0.5"]
        self.assertEqual((sound["kind"], sound["amount"], sound["unit"]), ("audio", 0.5, "ms"))
        self.assertAlmostEqual(sound["median"], 1000 * sound["median_seconds"])

    def test_resident(self):
        def of_load(*arguments):
            return json.loads(bench(*NOTHING, "--threads", 1, "--reps", 1, "--json", *arguments))
        mapped, copied = of_load(), of_load("--resident")
        self.assertEqual([r["settings"]["resident"] for r in (mapped, copied)], [False, True])
        grown = [r["results"][0]["memory"]["anonymous_bytes"] for r in (mapped, copied)]
        self.assertGreater(grown[1], grown[0] + (1 << 21))  # the text weights of nano

    def test_kv(self):
        def of_steps(*arguments):
            return json.loads(bench("--prefill", 0, "--decode", 2, "--depth", 1500, "--image", 0, "--audio", 0,
                                    "--start", 5, "--threads", 1, "--reps", 1, "--json", *arguments))
        reports = {kv: of_steps("--kv", kv) for kv in ("auto", "f32", "f16", "int8")}
        self.assertEqual([report["settings"]["kv"] for report in reports.values()], ["f32", "f32", "f16", "int8"])
        for report in reports.values():
            self.assertEqual([r["name"] for r in report["results"]], ["load", "start5", "tg2@1500"])
        small = self.place / "small.g3n"
        self.assertEqual(call("quantize", NANO, "-o", small, "--quiet")[0], 0)
        packed = json.loads(call("bench", "-m", small, *NOTHING, "--reps", 1, "--json")[1])
        self.assertEqual(packed["settings"]["kv"], "f16")
        earlier = self.place / "f32.json"
        earlier.write_text(json.dumps(reports["f32"]))
        _, _, err = call("bench", "-m", NANO, *NOTHING, "--threads", 1, "--kv", "int8", "--compare", earlier)
        self.assertIn('kv "f32" there, "int8" here', err)
        self.refused(2, "--kv", "bench", "-m", NANO, "--kv", "f8")

    def test_table_and_comparison(self):
        lines = bench(*FEW, "--threads", 1, "--compare", self.before).splitlines()
        self.assertIn("times as fast", lines[0])
        self.assertEqual([line.split()[0] for line in lines[1:]], NAMES)
        for line in lines[1:]:
            self.assertGreater(float(line.split()[-1]), 0)
        self.assertNotIn("times as fast", bench(*NOTHING))

    def test_ratios_and_other_settings(self):
        old = json.loads(self.before.read_text())
        for result in old["results"]:
            result["median_seconds"] = 1000.0  # everything is faster than this
        old["results"].pop()
        slow = self.place / "slow.json"
        slow.write_text(json.dumps(old))
        code, out, err = call("bench", "-m", NANO, *FEW, "--threads", 2, "--json", "--compare", slow)
        self.assertEqual(code, 0)
        self.assertIn("threads 1 there, 2 here", err)
        *known, new = json.loads(out)["results"]
        for result in known:
            self.assertAlmostEqual(result["speed_ratio"] * result["median_seconds"], 1000.0)
        self.assertNotIn("speed_ratio", new)

    def test_usual_amounts_that_the_model_takes(self):
        report = json.loads(bench("--reps", 1, "--threads", 1, "--json"))
        self.assertEqual([r["name"] for r in report["results"]],
                         ["load", "start32", "pp512", "pp2048", "tg128", "image64", "audio1"])
        report = json.loads(bench(*NOTHING, "--json"))
        self.assertEqual([r["name"] for r in report["results"]], ["load"])

    def test_refusals(self):
        for arguments, found in ((("--prefill", 3000), "--prefill: expected at most 2048 positions"),
                                 (("--depth", 2000), "expected at most 2048 positions"),
                                 (("--image", 65), "expected a multiple of 32"),
                                 (("--audio", 60), "--audio: expected at most"),
                                 (("--compare", "/gone.json"), "/gone.json: cannot be read")):
            self.refused(2, found, "bench", "-m", NANO, *arguments)
        for text in ("", "[]", '{"settings": {}, "results": [{"name": "load"}]}'):
            bad = self.place / "bad.json"
            bad.write_text(text)
            self.refused(2, "expected what bench --json printed", "bench", "-m", NANO, "--compare", bad)
        self.assertEqual(call("bench", "-m", NANO, "--reps", 0)[0], 2)
        self.refused(3, "gone", "bench", "-m", self.place / "gone")

    def test_interrupted(self):
        process = start("bench", "-m", NANO, "--threads", 1, "--reps", 1000, "--start", 0, "--prefill", 2048)
        while not process.stdout.readline().startswith(b"load"):
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=600)
        self.assertEqual((process.returncode, err), (130, b""))
        self.assertTrue(out.endswith(b"interrupted\n"))

    def test_interrupted_with_json(self):
        process = start("bench", "-m", NANO, "--threads", 1, "--reps", 1000, "--json", "--start", 0)
        time.sleep(0.5)  # while it loads, or later
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=600)
        self.assertEqual(process.returncode, 130)
        self.assertTrue(json.loads(out)["interrupted"])


if __name__ == "__main__":
    unittest.main()
