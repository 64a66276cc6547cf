# SPDX-License-Identifier: Apache-2.0
"""The examples for curl that stand in the documents, run as they are written: only the port is another.

    examples_test.py GEMMA3N
"""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from service import NANO, Service

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ADDRESS = "http://127.0.0.1:11434"


def examples():
    """(document, command)"""
    for document in sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md"]):
        for line in document.read_text().splitlines():
            if line.startswith("    curl " + ADDRESS):
                yield document.name, line.strip()


class Examples(unittest.TestCase):
    @unittest.skipIf(shutil.which("curl") is None, "no curl")
    def test_curl(self):
        found = list(examples())
        self.assertGreater(len({document for document, _ in found}), 4)
        with Service("--allow-model-management") as service, tempfile.TemporaryDirectory() as place:
            for document, command in found:
                shutil.copy(NANO / "eval" / "speech new voices-0005.flac", pathlib.Path(place) / "talk.mp3")
                done = subprocess.run(["sh", "-c", command.replace("curl ", "curl --silent --show-error --fail ").replace(
                    ADDRESS, service.url)], cwd=place, capture_output=True, timeout=60, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, b""), (document, command, done.stdout))
                self.assertTrue(done.stdout, (document, command))


if __name__ == "__main__":
    unittest.main()
