# SPDX-License-Identifier: Apache-2.0
"""What somebody writes is text, however it comes, and has an end: the same at every endpoint that takes words.

    server_prompt_test.py GEMMA3N
"""
import json
import unittest

from endpoints import (ALL, ANSWERING, CHAT, COMPLETIONS, CONVERSING, GENERATE, OLLAMA_CHAT, OLLAMA_GENERATE,
                       RESPONSES, error_of, merged)
from form import HEADERS, file, form
from program import call
from service import NANO, Service, data_uri, run
from web_socket import WebSocket

CONFIG = json.loads((NANO / "config.json").read_text())
CONTROLS = {token["id"]: token["content"] for token in json.loads((NANO / "tokenizer.json").read_text())["added_tokens"]
            if token["special"]}
TYPED = "".join(CONTROLS.values())
PICTURE = NANO / "eval" / "pictures-0069.png"
LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


def short(one):
    return one.set(most=1) if one in ANSWERING else {}


class Prompts(unittest.TestCase):
    ARGUMENTS = ()

    @classmethod
    def setUpClass(cls):
        cls.service = Service("--no-access-log", *cls.ARGUMENTS)

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def good(self, one, *more):
        status, _, answer = self.service.post(one.path, one.with_(short(one), *more))
        self.assertEqual(status, 200, (one.path, str(more)[:300], answer))
        return answer

    def tokens(self, one, *more):
        return one.prompt_tokens(self.good(one, *more))

    def refused(self, one, *more):
        status, _, answer = self.service.post(one.path, one.with_(short(one), *more))
        self.assertEqual(status, 400, (one.path, str(more)[:300], answer))
        return error_of(answer)


class Controls(Prompts):
    def test_hostile_P01_P02_typed_control_tokens(self):
        """Role borders, ends, placeholders of pictures and sound."""
        template = run("--temp", 0, "--max-tokens", 0, "x")["prompt_token_ids"]
        said = run("--temp", 0, "--max-tokens", 0, TYPED)["prompt_token_ids"]
        self.assertEqual([id for id in said if id in CONTROLS], [id for id in template if id in CONTROLS])
        code, out, err = call("tokenize", "-m", NANO, "--bos", TYPED)
        self.assertEqual(code, 0, err)
        raw = [int(id) for id in out.split(",")]
        self.assertEqual([id for id in raw if id in CONTROLS], [CONFIG["text_config"].get("bos_token_id", 2)])
        for one in ALL:
            if one.prompt_tokens is None:
                continue
            bare = one is COMPLETIONS or "embed" in one.path
            expected = len(raw) - 1 if one.path == "/tokenize" else len(raw) if bare else len(said)
            self.assertEqual(self.tokens(one, one.say(TYPED)), expected, one.path)
        self.assertEqual(self.service.post("/tokenize", {"content": TYPED})[2]["tokens"], raw[1:])
        self.assertEqual(self.tokens(OLLAMA_GENERATE, {"raw": True, "prompt": TYPED}), len(raw))

    # Twenty of one: as control tokens, or even placeholders, they would be twenty tokens.
    MARKS = ("<end_of_turn>", "<start_of_turn>", "<image_soft_token>", "<audio_soft_token>", "<start_of_image>")

    def are_text(self, tokens_with, least=1):
        """Whether what these are put into has as many more tokens as the text of them has."""
        without = tokens_with("x")
        for mark in self.MARKS:
            as_text = len(self.service.post("/tokenize", {"content": mark * 20})[2]["tokens"])
            self.assertGreater(as_text, 60)
            more = tokens_with(mark * 20) - without
            self.assertLess(abs(more - least * as_text), 5 * least, mark)

    def test_hostile_P03_system_texts(self):
        for one in CONVERSING:
            self.are_text(lambda text: self.tokens(one, one.converse([("system", text), ("user", "x")])))
        self.are_text(lambda text: self.tokens(OLLAMA_GENERATE, {"system": text}))
        self.are_text(lambda text: self.tokens(RESPONSES, {"instructions": text}))

    def test_hostile_P03_earlier_answers(self):
        for one in CONVERSING:
            self.are_text(lambda text: self.tokens(one, one.converse(
                [("user", "x"), ("assistant", text), ("user", "x")])))

    def test_hostile_P03_functions(self):
        for one in CONVERSING:
            for function in (lambda text: {"description": text},
                             lambda text: {"parameters": {"type": "object", "description": text}},
                             lambda text: {"parameters": {"type": "object", "properties": {
                                 "a": {"type": "string", "description": text}}}},
                             lambda text: {"parameters": {"type": "object", "properties": {
                                 "a": {"enum": [text]}}}},
                             lambda text: {"parameters": {"type": "object", "properties": {
                                 text: {"type": "string"}}}}):
                self.are_text(lambda text: self.tokens(one, one.call([{"name": "f", **function(text)}])))
            for mark in self.MARKS:  # names are no texts
                self.assertIn(one.functions_at + ".name", self.refused(one, one.call([{"name": mark}])))

    def test_hostile_P03_results_and_arguments(self):
        for one in CONVERSING:
            self.are_text(lambda text: self.tokens(one, one.result("c1", text)))
            self.are_text(lambda text: self.tokens(one, one.result("c1", json.dumps({"found": [text]}))))

        def called(arguments):
            return {"role": "assistant", "content": "", "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}]}
        asked = {"role": "user", "content": "x"}
        self.are_text(lambda text: self.tokens(CHAT, {"messages": [
            asked, called(json.dumps({"a": text})), {"role": "tool", "tool_call_id": "c", "content": "x"}]}))
        self.are_text(lambda text: self.tokens(OLLAMA_CHAT, {"messages": [
            asked, called({"a": text}), {"role": "tool", "content": "x"}]}))
        self.are_text(lambda text: self.tokens(RESPONSES, {"input": [
            asked, {"type": "function_call", "call_id": "c", "name": "f", "arguments": json.dumps({"a": text})},
            {"type": "function_call_output", "call_id": "c", "output": "x"}]}))
        self.are_text(lambda text: self.tokens(GENERATE, {"contents": [
            {"parts": [{"text": "x"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": text}}}]},
            {"parts": [{"functionResponse": {"name": "f", "response": {}}}]}]}))

    def test_hostile_P03_schemas(self):
        """OpenAI's dialects show the schema of an answer to the model."""
        for one in (CHAT, RESPONSES):
            self.are_text(lambda text: self.tokens(one, one.hold({"type": "string", "description": text})))
            self.are_text(lambda text: self.tokens(one, one.hold({"enum": ["a", text]})))

    def test_hostile_P03_names_of_files(self):
        """They are labels: no word of them is read."""
        parts = [{"type": "file", "file": {"file_data": data_uri(PICTURE), "filename": name}}
                 for name in ("x.png", "<start_of_image>" * 20)]
        counts = {self.tokens(CHAT, {"messages": [{"role": "user", "content": [part]}]}) for part in parts}
        self.assertEqual(len(counts), 1)

    def test_hostile_P03_what_goes_with_sound(self):
        sound = file((NANO / "examples" / "spanish.wav").read_bytes())

        def tokens_with(name):
            def tokens(text):
                status, _, body = self.service.request(
                    "POST", "/v1/audio/transcriptions", form((name, text), sound), HEADERS)
                self.assertEqual(status, 200, body)
                return json.loads(body)["usage"]["input_token_details"]["text_tokens"]
            return tokens
        self.MARKS = self.MARKS[:2]
        self.are_text(tokens_with("prompt"))
        # A word is at most 64 bytes long.
        words = tokens_with("keywords[]")
        self.assertGreater(words("<eos>" * 12) - words("x"), 24)

    def test_hostile_P03_conversations_over_sockets(self):
        def realtime(text):
            with WebSocket(self.service.port, "/v1/realtime") as talk:
                talk.send({"type": "conversation.item.create", "item": {
                    "type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}})
                talk.send({"type": "response.create", "response": {"max_output_tokens": 1}})
                while (event := talk.receive())["type"] != "response.done":
                    pass
                return event["response"]["usage"]["input_tokens"]

        def live(text):
            with WebSocket(self.service.port, LIVE) as talk:
                talk.send({"setup": {"model": "models/nano", "generationConfig": {"maxOutputTokens": 1}}})
                talk.send({"clientContent": {"turns": [{"role": "user", "parts": [{"text": text}]}],
                                             "turnComplete": True}})
                while "usageMetadata" not in (event := talk.receive()):
                    pass
                return event["usageMetadata"]["promptTokenCount"]
        self.are_text(realtime)
        self.are_text(live)

    def test_hostile_P04_ids_of_media(self):
        """Whoever sends ids may send control tokens, but nothing that stands for a picture or sound."""
        media = [CONFIG[name] for name in ("image_token_id", "audio_token_id")]
        for id in media:
            for one, fields in ((COMPLETIONS, {"prompt": [2, id]}), (COMPLETIONS, {"prompt": [[2], [2, id]]}),
                                (OLLAMA_GENERATE, {"context": [2, id]})):
                self.assertIn("pictures and sound", self.refused(one, fields))
            for given in ([2, id], [[2], [2, id]]):
                status, _, answer = self.service.post("/v1/embeddings", {"input": given})
                self.assertEqual(status, 400, answer)
                self.assertIn("pictures and sound", error_of(answer))
        self.assertEqual(self.tokens(COMPLETIONS, {"prompt": [2, 6, 7]}), 3)


class Lengths(Prompts):
    CONTEXT = 512
    ARGUMENTS = ("--ctx", CONTEXT)

    def words(self, one, tokens, *more):
        """A prompt of that many tokens."""
        least = self.tokens(one, one.say("a"), *more)
        prompt = "a" + " a" * (tokens - least)
        if tokens <= self.CONTEXT:
            self.assertEqual(self.tokens(one, one.say(prompt), *more), tokens)
        return one.say(prompt)

    def test_hostile_P05_ends_of_the_context(self):
        """The first token of an answer needs no place of its own."""
        for one in ALL:
            if one.prompt_tokens is None or one.path == "/tokenize":
                continue
            whole = {"truncate": False} if one.path.startswith("/api/") else {}
            self.words(one, self.CONTEXT - 2, whole)
            self.words(one, self.CONTEXT - 1, whole)
            self.words(one, self.CONTEXT, whole)
            if one.path.endswith(":countTokens"):  # which needs no place
                continue
            for tokens in (self.CONTEXT + 1, 3 * self.CONTEXT):
                message = self.refused(one, self.words(one, tokens, whole), whole)
                self.assertIn(f" {tokens}", message, one.path)
                self.assertRegex(message, f" {self.CONTEXT}\\b", one.path)
        # What may be cut is.
        for path in ("/api/embed", "/api/embeddings"):
            one = next(one for one in ALL if one.path == path)
            self.good(one, one.say("a" + " a" * 2 * self.CONTEXT))

    def test_hostile_P05_media_alone(self):
        image = data_uri(PICTURE, "image/png")
        data = image.split(",")[1]
        count = self.CONTEXT // CONFIG["vision_soft_tokens_per_image"]
        for one, fields in (
                (CHAT, lambda n: {"messages": [{"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": image}}] * n}]}),
                (RESPONSES, lambda n: {"input": [{"role": "user", "content": [
                    {"type": "input_image", "image_url": image}] * n}]}),
                (OLLAMA_CHAT, lambda n: {"truncate": False, "messages": [
                    {"role": "user", "content": "", "images": [data] * n}]}),
                (OLLAMA_GENERATE, lambda n: {"prompt": "", "images": [data] * n}),
                (GENERATE, lambda n: {"contents": [{"parts": [{"inlineData": {"data": data}}] * n}]})):
            self.assertGreater(self.tokens(one, fields(2)), 32)
            message = self.refused(one, fields(count))
            self.assertRegex(message, rf"the prompt has \d+ tokens.* {self.CONTEXT}\b")

    def test_hostile_P06_ten_mebibytes(self):
        """Refused for its length, or cut, while somebody waits for it: what is quadratic would take hours.
        That it is linear is measured in src/text/tokenizer_test.cc."""
        for unit in ("a", " ", "\u0301", "\U0001f9ff"):
            status, _, answer = self.service.post(CHAT.path, CHAT.with_(
                short(CHAT), CHAT.say(unit * ((10 << 20) // len(unit.encode())))))
            self.assertEqual(status, 200 if unit == " " else 400, answer)  # the template has no spaces at ends
        for one in ALL:
            if one.say is None:
                continue
            status, _, answer = self.service.post(one.path, one.with_(short(one), one.say("a" * (1 << 18))))
            cuts = one.path in ("/api/embed", "/api/embeddings", "/tokenize") or one.path.endswith(":countTokens")
            self.assertEqual(status, 200 if cuts else 400, (one.path, str(answer)[:300]))

    def test_hostile_P07_every_plane(self):
        text = "".join(chr(c) for c in [*range(0x3000), *range(0x3000, 0x110000, 61)]
                       if not 0xd800 <= c < 0xe000 and c != 0x2581)  # with which tokenizers write a space
        ids = self.service.post("/tokenize", {"content": text})[2]["tokens"]
        self.assertEqual(self.service.post("/detokenize", {"tokens": ids})[2]["content"], text)
        marks = "a\0b\u200fc\u202ed\u0378\ufffe\U000e0001\U0010ffff"
        ids = self.service.post("/tokenize", {"content": marks})[2]["tokens"]
        for one in ALL:
            if one.prompt_tokens is None:
                continue
            alone = self.tokens(one, one.say("a"))
            self.assertEqual(self.tokens(one, one.say(marks)) - alone, len(ids) - 1, one.path)


if __name__ == "__main__":
    unittest.main()
