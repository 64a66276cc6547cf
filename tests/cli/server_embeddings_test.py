# SPDX-License-Identifier: Apache-2.0
"""The server's vectors are the mean of the reference's hidden states (tests/reference/text_decoder.py).

    server_embeddings_test.py GEMMA3N
"""
import base64
import unittest

import numpy as np
from program import call  # first: it makes tests/reference known
import checkpoint
import text_decoder
from service import NANO, Service

TEXTS = ("What is 3 plus 4?", "red apple", "green apple", "Enciende la luz, por favor. " * 12)
TOLERANCE = 1e-5  # of numbers of a vector of length 1; the logits' own bar is 1e-4 of the largest


def reference():
    """nano's text decoder in NumPy, which knows the older spelling of its configuration."""
    config, tensors = checkpoint.read(NANO)
    text = config["text_config"]
    rope = text["rope_parameters"]
    text["rope_theta"] = rope["full_attention"]["rope_theta"]
    text["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
    return text_decoder.TextDecoder(config, tensors)


class Embeddings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()
        cls.reference = reference()

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def embed(self, value, **fields):
        status, _, answer = self.service.post("/v1/embeddings", {"model": "nano", "input": value, **fields})
        self.assertEqual(status, 200, answer)
        return answer

    def vectors(self, value, **fields):
        return np.array([one["embedding"] for one in self.embed(value, **fields)["data"]], np.float32)

    def refused(self, **body):
        status, _, answer = self.service.post("/v1/embeddings", body)
        self.assertEqual(status, 400, answer)
        return answer["error"]["param"]

    def ids(self, text):
        code, out, err = call("tokenize", "-m", NANO, "--bos", text)
        self.assertEqual(code, 0, err)
        return [int(word) for word in out.split(",")]

    def expected(self, ids):
        self.reference.seen = {}
        self.reference.logits(np.array(ids))
        mean = self.reference.seen["merged_normed"].mean(axis=0, dtype=np.float64)
        return mean / np.linalg.norm(mean)

    def test_they_are_the_references(self):
        answer = self.embed(list(TEXTS))
        self.assertEqual(answer["object"], "list")
        self.assertEqual(answer["model"], "nano")
        self.assertEqual([one["index"] for one in answer["data"]], list(range(len(TEXTS))))
        tokens = 0
        for text, one in zip(TEXTS, answer["data"]):
            ids = self.ids(text)
            tokens += len(ids)
            self.assertEqual(one["object"], "embedding")
            self.assertLess(np.abs(np.array(one["embedding"]) - self.expected(ids)).max(), TOLERANCE, text)
        self.assertEqual(answer["usage"], {"prompt_tokens": tokens, "total_tokens": tokens})

    def test_ids_and_texts(self):
        whole = self.vectors(list(TEXTS))
        for text, vector in zip(TEXTS, whole):
            np.testing.assert_array_equal(self.vectors(text)[0], vector)
            np.testing.assert_array_equal(self.vectors(self.ids(text))[0], vector)
        np.testing.assert_array_equal(self.vectors([self.ids(text) for text in TEXTS]), whole)
        # What is alike is nearer.
        self.assertGreater(whole[1] @ whole[2], whole[1] @ whole[3])

    def test_spellings(self):
        plain = self.vectors(TEXTS[0])[0]
        text = self.embed(TEXTS[0], encoding_format="base64")["data"][0]["embedding"]
        np.testing.assert_array_equal(np.frombuffer(base64.b64decode(text), "<f4"), plain)
        self.assertAlmostEqual(float(np.linalg.norm(plain)), 1, 5)
        short = self.vectors(TEXTS[0], dimensions=16)[0]
        np.testing.assert_allclose(short, plain[:16] / np.linalg.norm(plain[:16]), rtol=1e-5)

    def test_many(self):
        inputs = [f"{i} apples" for i in range(300)]
        vectors = self.vectors(inputs)
        np.testing.assert_array_equal(vectors[177], self.vectors(inputs[177])[0])

    def test_refusals(self):
        self.assertEqual(self.refused(model="nano"), "input")
        self.assertEqual(self.refused(input=""), "input")
        self.assertEqual(self.refused(input=[]), "input")
        self.assertEqual(self.refused(input=["a", ""]), "input[1]")
        self.assertEqual(self.refused(input=["a", 1]), "input[1]")
        self.assertEqual(self.refused(input=[1, "a"]), "input[1]")
        self.assertEqual(self.refused(input=[[]]), "input[0]")
        self.assertEqual(self.refused(input=[1, -1]), "input[1]")
        self.assertEqual(self.refused(input=[10 ** 6]), "input")
        self.assertEqual(self.refused(input=["a"] * 2049), "input")
        self.assertEqual(self.refused(input="a", dimensions=0), "dimensions")
        self.assertEqual(self.refused(input="a", dimensions=100000), "dimensions")
        self.assertEqual(self.refused(input="a", encoding_format="x"), "encoding_format")
        self.assertEqual(self.refused(input="word " * 40000), "input")


if __name__ == "__main__":
    unittest.main()
