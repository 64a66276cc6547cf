# SPDX-License-Identifier: Apache-2.0
"""Settings at their ends and conversations of odd shape, the same at every endpoint that answers.

    server_settings_test.py GEMMA3N
"""
import itertools
import json
import pathlib
import tempfile
import unittest

from endpoints import (ANSWERING, CHAT, COMPLETIONS, CONVERSING, GENERATE, OLLAMA_CHAT, OLLAMA_GENERATE, RESPONSES,
                       EndpointTest, error_of, merged)
from program import call
from service import NANO, Service

VOCABULARY = json.loads((NANO / "config.json").read_text())["text_config"]["vocab_size"]
OLLAMA = (OLLAMA_CHAT, OLLAMA_GENERATE)
WORDS = "Repeat: boat white Hugo"


class Answers(EndpointTest):
    def refused(self, one, opening, *more):
        status, _, answer = self.service.post(one.path, one.with_(*more))
        where = (one.path, str(more)[:300], answer)
        self.assertEqual(status, 400, where)
        self.assertTrue(error_of(answer).startswith(opening), where)


class Settings(Answers):
    def check(self, one, setting, value, is_good):
        if is_good:
            return self.good(one, one.set(**{"most": 1, setting: value}))
        return self.refused(one, one.settings[setting] + ": expected", one.set(**{"most": 1, setting: value}))

    def test_hostile_J08_ends_of_ranges(self):
        for one in ANSWERING:
            # Ollama's words for "as many as there is room for"; scoring needs no answer.
            for most in (0, 1, 2**31 - 1, 2**31, 2**62):
                good = (most > 0 or one is COMPLETIONS or one in OLLAMA) and (most < 2**31 or one not in OLLAMA)
                self.check(one, "most", most, good)
            self.check(one, "most", -1, one in OLLAMA)
            if "n" in one.settings:
                for n, good in ((0, False), (-1, False), (1, True), (2, True), (8, True)):
                    answer = self.check(one, "n", n, good)
                    if good:
                        self.assertEqual(len(answer.get("choices", answer.get("candidates"))), n)
            for top_k, good in ((0, True), (1, True), (VOCABULARY, True), (-1, False),
                                (VOCABULARY + 1, one in (*OLLAMA, GENERATE)), (2**31, False)):
                self.check(one, "top_k", top_k, good)
            for top_p, good in ((0, True), (-0.0, True), (1e-300, True), (1, True), (1.0000001, False), (-1e-9, False)):
                self.check(one, "top_p", top_p, good)
            for temperature, good in ((2, True), (-1e-9, False), (100.1, False), (1e300, False)):
                self.check(one, "temperature", temperature, good)

    def test_hostile_J08_what_leaves_no_choice_is_the_likeliest(self):
        for one in ANSWERING:
            say = one.say("Once there was")  # nothing that it was taught
            greedy = one.text(self.good(one, say, one.set(most=8, temperature=0)))
            for settings in ({"temperature": -0.0}, {"temperature": 1e-40}, {"temperature": 5e-324},
                             {"temperature": 2, "top_p": 0}, {"temperature": 2, "top_p": 1e-300},
                             {"temperature": 2, "top_k": 1}):
                self.assertEqual(one.text(self.good(one, say, one.set(most=8, seed=1, **settings))), greedy,
                                 (one.path, settings))
            drawn = {one.text(self.good(one, say, one.set(most=8, seed=seed, temperature=2, top_k=0)))
                     for seed in range(3)}
            self.assertGreater(len(drawn), 1)  # top_k 0: all of them

    def test_hostile_J09_stops(self):
        for one in ANSWERING:
            stop = one.settings["stop"]
            for wrong in ([""], ["x", ""], ["x"] * 17, ["x" * (1 << 20)], ["x" * 257], ["é" * 129], {}, 1, [1]):
                self.refused(one, stop, one.set(most=1, stop=wrong))
            if one is not GENERATE:  # whose stops are a list
                self.refused(one, stop, one.set(most=1, stop=""))
                self.good(one, one.set(most=1, stop="x"))
            # Half a character is no JSON.
            status, _, _ = self.service.request("POST", one.path, json.dumps(
                one.with_(one.set(most=1, stop=["\ud83d"]))))
            self.assertEqual(status, 400)
            for right in ([], ["x"] * 16, ["x" * 256], ["é" * 128]):
                self.good(one, one.set(most=1, stop=right))

    def test_hostile_J09_stops_that_overlap(self):
        for one in ANSWERING:
            if one is COMPLETIONS:
                continue  # the model was taught no raw text
            whole = one.text(self.good(one, one.say(WORDS), one.set(temperature=0)))
            self.assertEqual(whole, "boat white Hugo")
            for stops, left in ((["white", "boat white", "at wh"], "bo"), (["white H", "hit"], "boat w"),
                                (["tt", "te ", "ite"], "boat wh"), (["Hugo!", "Hugo Hugo", "ugo"], "boat white H"),
                                (["boat white Hugo boat"], whole), (["t w", "t white Hugo", "zzz"], "boa")):
                fields = one.set(temperature=0, stop=stops)
                self.assertEqual(one.text(self.good(one, one.say(WORDS), fields)), left, (one.path, stops))
                self.assertEqual("".join(one.pieces(self.service, one.with_(one.say(WORDS), fields))), left)

    def test_hostile_J10_biases(self):
        with_bias = [one for one in ANSWERING if "bias" in one.settings]
        self.assertEqual(with_bias, [CHAT, COMPLETIONS, RESPONSES])
        for one in with_bias:
            for key in ("-1", str(VOCABULARY), "262400", "1.5", "abc", "", "+1", " 1", "1 ", "0x1", "1e2", "9" * 30):
                self.refused(one, "logit_bias: expected token ids", one.set(bias={key: 1}))
            for value in (-100.1, 101, 1e300, "1", True, []):
                self.refused(one, "logit_bias.5: expected", one.set(bias={"5": value}))
            every = {str(id): -100 for id in range(VOCABULARY)}
            self.refused(one, "logit_bias: expected at most 1024", one.set(bias=every))
            most = dict(itertools.islice(every.items(), 1024))
            self.good(one, one.set(bias=most, most=3))  # the others are left
        # A form lets through what is biased against: there is nothing else.
        for one in (CHAT, RESPONSES):
            answer = self.good(one, one.hold({"const": 57}), one.set(bias=most, temperature=0))
            self.assertEqual(one.text(answer), "57")

    def test_hostile_J10_all_tokens(self):
        """Of a vocabulary that a request can hold: one that is left is what is said."""
        with tempfile.TemporaryDirectory() as place:
            model = pathlib.Path(place) / "tiny"
            self.assertEqual(call("synth", "--like", "tiny", "--seed", 2, "--out", model)[0], 0)
            vocabulary = json.loads((model / "config.json").read_text())["text_config"]["vocab_size"]
            every = {str(id): -100 for id in range(vocabulary)}
            with Service("--no-access-log", model=model) as service:
                left = str(service.post("/tokenize", {"content": "a"})[2]["tokens"][-1])
                for one in (CHAT, COMPLETIONS, RESPONSES):
                    few = one.with_(one.set(most=8, temperature=0))
                    status, _, answer = service.post(one.path, merged(few, one.set(bias=every)))
                    self.assertEqual(status, 400, answer)
                    self.assertEqual((answer["error"]["code"], answer["error"]["param"]),
                                     ("invalid_value", "logit_bias"))
                    said = service.post(one.path, merged(few, one.set(bias={**every, left: 0})))[2]
                    self.assertEqual(one.text(said), 8 * "a")
                status, _, answer = service.post("/v1/realtime/client_secrets", {
                    "session": {"type": "realtime", "logit_bias": every}})
                self.assertEqual((status, answer["error"]["param"]), (400, "session.logit_bias"))


class Conversations(Answers):
    def test_hostile_J12_shapes(self):
        user, model, system = ("user", "Hello!"), ("assistant", "Hi."), ("system", "Be brief.")
        for one in CONVERSING:
            self.refused(one, "", one.converse([system]), one.set(most=1))
            for turns in ([model], [model, user], [system, model, user]):
                if one in (CHAT, RESPONSES):
                    self.refused(one, "", one.converse(turns), one.set(most=1))
                else:  # whose clients cut off what is oldest
                    self.good(one, one.converse(turns), one.set(most=1))
            if one is OLLAMA_CHAT:  # which asks for the model so
                self.assertEqual(self.good(one, one.converse([]))["done_reason"], "load")
            else:
                self.refused(one, "", one.converse([]), one.set(most=1))
            two = self.good(one, one.converse([user, model, ("assistant", "Bye."), user]), one.set(most=1))
            self.assertGreater(one.prompt_tokens(two), 0)
            self.good(one, one.converse([user, user, system, user, model, system]), one.set(most=1))
            many = [user, model] * 2048
            self.refused(one, "", one.converse([*many, user]), one.set(most=1))

    def test_hostile_J12_four_thousand_messages(self):
        """As many as there may be, and far more than the context holds."""
        turns = [("user", "Hello!"), ("assistant", "Hi.")] * 2047 + [("user", "What is 3 plus 4?")]
        for one in CONVERSING:
            fields = merged(one.converse(turns), one.set(most=4, temperature=0))
            if one is OLLAMA_CHAT:  # the oldest are left out
                self.assertEqual(one.text(self.good(one, fields)), "7")
            else:
                self.refused(one, "", fields)
        fields = merged(RESPONSES.converse(turns), {"truncation": "auto"}, RESPONSES.set(most=4, temperature=0))
        self.assertEqual(RESPONSES.text(self.good(RESPONSES, fields)), "7")

    def test_hostile_J12_S09_results_without_a_call(self):
        for one in CONVERSING:
            self.good(one, one.result("c1", "x"), one.set(most=1))
            for id in ("c2", "c1 ", "c" * 10000, "\x1b[2J"):
                self.refused(one, "", one.result(id, "x"), one.set(most=1))
            alone = one.result("c1", "x")
            name, messages = next(iter(alone.items()))
            self.refused(one, "", {name: [messages[0], messages[2]]}, one.set(most=1))

    def test_hostile_J14_characters_that_are_cut(self):
        """Of tokens that are bytes an answer may end, or be told, in the middle of a character."""
        said = "日🙂é€"
        for one in ANSWERING:
            if one is COMPLETIONS:
                continue
            seen = set()
            held = one.hold({"const": said})
            for most in range(1, 20):
                fields = merged(held, one.set(most=most))
                answer = self.good(one, fields)
                text = one.text(answer)
                seen.add(text)
                self.assertEqual(('"' + said + '"').startswith(text.rstrip("\ufffd")), True, text)
                self.assertEqual(one.was_cut(answer), text != '"' + said + '"')
                pieces = [piece for piece in one.pieces(self.service, one.with_(fields)) if piece]
                self.assertEqual("".join(pieces), text)
                self.assertNotIn("\ufffd", "".join(pieces[:-1]))
            self.assertIn('"日🙂é€"', seen)
            self.assertTrue(any(text.endswith("\ufffd") for text in seen), seen)
        # Bytes that are no character at all, one after another.
        for one in (CHAT, COMPLETIONS, RESPONSES):
            byte = self.service.post("/tokenize", {"content": "日"})[2]["tokens"][-1]
            fields = one.set(most=5, temperature=0, bias={str(byte): 100})
            text = one.text(self.good(one, fields))
            self.assertEqual(set(text), {"\ufffd"})
            self.assertEqual("".join(one.pieces(self.service, one.with_(fields))), text)


if __name__ == "__main__":
    unittest.main()
