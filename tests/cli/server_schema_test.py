# SPDX-License-Identifier: Apache-2.0
"""Schemas and functions that somebody wrote to do harm, the same at every endpoint that holds answers to them.
What a schema lets through is tested in src/constraint.

    server_schema_test.py GEMMA3N
"""
import json
import re
import unittest

from endpoints import (ANSWERING, CHAT, CONVERSING, GENERATE, OLLAMA_CHAT, OLLAMA_GENERATE, RESPONSES, EndpointTest,
                       error_of, merged)
from service import MEASURED, Service

HOLDING = tuple(one for one in ANSWERING if one.hold)
PERSON = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 8}, "b": {"enum": [1, 2]}},
          "required": ["a", "b"], "additionalProperties": False}


def nested(depth):
    schema = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def pattern(text):
    return {"type": "string", "pattern": text}


class Schemas(EndpointTest):
    def ask(self, one, *more):
        status, _, answer = self.service.post(one.path, one.with_(*more))
        return status, answer

    def refused(self, one, place, *more):
        """With the place, and not a word of an answer, as a stream neither."""
        path, stream = one.stream
        for where, fields in ((one.path, one.with_(*more)), (path, one.with_(*more, stream))):
            status, _, answer = self.service.post(where, fields)
            seen = (where, str(more)[:300], answer)
            self.assertEqual((status, list(answer)), (400, ["error"]), seen)
            self.assertIn(place, error_of(answer), seen)
        return answer["error"]

    def not_held(self, one, schema, place=""):
        error = self.refused(one, one.schema_at + place, one.hold(schema))
        if one in (CHAT, RESPONSES):
            self.assertEqual(error["code"], "invalid_json_schema")
            self.assertTrue(error["param"].startswith(one.schema_at + place), error)
        elif one is GENERATE:
            self.assertTrue(error["details"][0]["fieldViolations"][0]["field"].startswith(one.schema_at + place))
        else:
            self.assertTrue(error.startswith("invalid format: format"), error)

    def test_hostile_S01_nesting_and_references(self):
        cycle = {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}
        for one in HOLDING:
            for schema, place in (
                    (nested(33), ""), ({"$ref": "#"}, ""), (cycle, ""),
                    ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, ""),
                    *(({"type": "object", "properties": {"a": {"$ref": ref}}}, ".properties.a.$ref") for ref in (
                        "https://example.com/s.json", "file:///etc/passwd", "other.json", "#/definitely/not/there",
                        "#name", "", "#/%zz"))):
                self.not_held(one, schema, place)
            self.good(one, one.hold(nested(28)), one.set(most=1))

    def test_hostile_S02_many_branches_and_impossible_ones(self):
        impossible = ({"type": "array", "minItems": 3, "maxItems": 2, "items": {}},
                      {"type": "string", "minLength": 3, "maxLength": 2},
                      {"type": "integer", "minimum": 2, "maximum": 1},
                      {"type": "object", "properties": {"a": False}, "required": ["a"]}, {"enum": []},
                      {"allOf": [{"type": "string"}, {"type": "null"}]})
        large = {"enum": [f"text {i}" for i in range(100_000)]}
        choices = {"allOf": [{"anyOf": [{"minimum": i}, {"maxLength": i}]} for i in range(30)]}
        for one in HOLDING:
            for schema in impossible:
                self.not_held(one, schema)
            for schema in (large, choices):  # as soon as there is too much of it
                status, answer = self.ask(one, one.hold(schema))
                self.assertEqual(status, 400, one.path)
                self.assertIn(one.schema_at, error_of(answer))
            for schema in ({"anyOf": [{"const": i} for i in range(10_000)]},
                           {"type": "array", "items": {"type": "null"}, "maxItems": 10**9},
                           {"type": "string", "maxLength": 10**9}):
                status, answer = self.ask(one, one.hold(schema), one.set(most=2))
                if status != 200:  # where the model is shown its schema, it may be too long a text
                    self.assertIn(one, (CHAT, RESPONSES))
                    self.assertEqual((status, answer["error"]["code"]), (400, "context_length_exceeded"))

    def test_hostile_S03_patterns(self):
        for one in HOLDING:
            for text in ("(", ")", "+a", "*", "a**", "a{999999}", "a{2,1}", "(?<=x)", "(?!x)", "\\1", "\\k<a>", "[z-a]",
                         "[", "\\", "\\ud800", "(" * 500 + ")" * 500, "((a{1000}){1000}){1000}", "a" * 1025):
                self.not_held(one, pattern(text))
            for text in ("(a*)*$", "^(a|a)*(a|a)*(a|b)*c$", "(a|b)*a" + "(a|b)" * 60, "^(a*)*b(a*)*$"):
                self.good(one, one.hold(pattern(text)), one.set(most=40, temperature=0))

    def test_hostile_S04_any_character(self):
        """Whatever the vocabulary has no token for comes byte by byte."""
        for value in ("日本\U0001f642é", "\u0378\U0010ffff", "▁ ▁", "<end_of_turn><bos>", "\u007f\u0080"):
            for one in HOLDING:
                answer = self.good(one, one.hold({"const": value}), one.set(most=200, temperature=0))
                self.assertEqual(json.loads(one.text(answer)), value, one.path)
                pieces = one.pieces(self.service, one.with_(one.hold({"const": value}), one.set(most=200)))
                self.assertEqual(json.loads("".join(pieces)), value, one.path)

    def test_hostile_S05_S06_what_has_no_end(self):
        """An answer ends at its number of tokens, says so, and is a beginning of one that holds."""
        for one in HOLDING:
            for schema, begin in (({"type": "string", "minLength": 100_000}, r'"'),
                                  ({"type": "array", "items": {"type": "integer"}, "minItems": 100_000},
                                   r"\[[ \n]?-?\d"),
                                  (merged(PERSON, {"properties": {"a": {"minLength": 5000, "maxLength": 6000}}}),
                                   r'{[ \n]?"a":[ \n]?"')):
                for temperature in (0, 2):
                    answer = self.good(one, one.hold(schema), one.set(most=40, temperature=temperature, seed=1))
                    self.assertTrue(one.was_cut(answer))
                    self.assertRegex(one.text(answer), "^" + begin)
            texts = []
            for most in (4, 200):
                answer = self.good(one, one.hold(PERSON), one.set(most=most, temperature=0))
                texts.append(one.text(answer))
                self.assertEqual(one.was_cut(answer), most == 4)
            self.assertTrue(texts[1].startswith(texts[0]), texts)
            self.assertEqual(list(json.loads(texts[1])), ["a", "b"])
            # White space is no way to go on for ever.
            fifty = {"type": "array", "items": {"type": "null"}, "minItems": 50, "maxItems": 50}
            answer = self.good(one, one.hold(fifty), one.set(most=400, temperature=2, seed=3))
            self.assertEqual(json.loads(one.text(answer)), [None] * 50)
            self.assertFalse(re.search(r"\s\s", one.text(answer)))

    def test_hostile_S07_what_cannot_be_held_to(self):
        for one in HOLDING:
            for schema, place in (
                    ({"not": {}}, ".not"), ({"type": "array", "uniqueItems": True}, ".uniqueItems"),
                    ({"type": "object", "properties": {"a": {"if": {}}}}, ".properties.a.if"),
                    ({"type": "strange"}, ".type"), ({"type": "string", "format": "credit-card"}, ".format"),
                    ({"requierd": ["a"]}, ".requierd"), ({"type": "object", "required": "a"}, ".required"),
                    ({"oneOf": [{"type": "integer"}, {"minimum": 5, "type": "number"}]}, ".oneOf")):
                self.not_held(one, schema, place)
        for one in (CHAT, RESPONSES, GENERATE):
            for schema in (5, "x", []):
                self.not_held(one, schema)
        for one in (OLLAMA_CHAT, OLLAMA_GENERATE):
            for schema in (5, "x", []):
                self.refused(one, "format: expected", one.hold(schema))
        # Of functions, too, where their arguments must hold.
        for one, strict in ((CHAT, {}), (RESPONSES, {}), (GENERATE, {"toolConfig": {"functionCallingConfig": {
                "mode": "VALIDATED"}}})):
            function = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"not": {}}}}}
            if not strict:
                function["strict"] = True
            self.refused(one, one.functions_at, one.call([function]), strict)

    def test_hostile_S08_functions(self):
        for one in CONVERSING:
            most = 64 if one in (CHAT, RESPONSES) else 128  # Google's names, and those of its models
            for name in ("", "f" * (most + 1), "f" * 10240, "a\nb", "a b", "<start_of_turn>", "f\0", "é", "../f", '"'):
                self.refused(one, one.functions_at + ".name", one.call([{"name": name}]), one.set(most=1))
            for function, place in (({}, ".name"), ({"name": 5}, ".name"),
                                    ({"name": "f", "description": 5}, ".description"),
                                    ({"name": "f", "parameters": 5}, ".parameters"),
                                    ({"name": "f", "parameters": []}, ".parameters")):
                self.refused(one, one.functions_at + place, one.call([function]), one.set(most=1))
            self.refused(one, "comes twice", one.call([{"name": "f"}, {"name": "g"}, {"name": "f"}]), one.set(most=1))
            self.refused(one, "at most 128", one.call([{"name": f"f{i}"} for i in range(129)]), one.set(most=1))
            for few in ({"name": "f"}, {"name": "f", "parameters": None}, {"name": "f", "parameters": {}},
                        {"name": "f" * most, "parameters": {"type": "object"}}):
                self.good(one, one.call([few]), one.set(most=1))

    def test_hostile_S09_functions_that_are_not_declared(self):
        functions = [{"name": "f"}]
        for one, fields, place in (
                (CHAT, {"tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice.function.name"),
                (CHAT, {"tool_choice": {"type": "allowed_tools", "allowed_tools": {
                    "mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}}},
                 "tool_choice.allowed_tools.tools[0].function.name"),
                (RESPONSES, {"tool_choice": {"type": "function", "name": "g"}}, "tool_choice.name"),
                (RESPONSES, {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [
                    {"type": "function", "name": "g"}]}}, "tool_choice.tools[0].name"),
                (GENERATE, {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}}},
                 "toolConfig.functionCallingConfig.allowedFunctionNames[0]")):
            self.refused(one, place, one.call(functions), fields)
        for one in (CHAT, RESPONSES):
            self.refused(one, "tool_choice", {"tool_choice": "required"})
        for one in CONVERSING:  # the result of a call that nobody made
            self.refused(one, "id", one.call(functions), one.result("c2", "x"))

    def test_hostile_S10_a_thousand_schemas(self):
        with Service("--no-access-log", "--cache-mb", 1, env=MEASURED) as service:
            resident = []
            for i in range(1000):
                one = (OLLAMA_CHAT, OLLAMA_GENERATE, GENERATE)[i % 3]
                schema = {"type": "object", "properties": {f"{i}" * 30: {"const": i}}, "required": [f"{i}" * 30]}
                code, _, answer = service.post(one.path, one.with_(one.hold(schema), one.set(most=1)))
                self.assertEqual(code, 200, answer)
                self.assertTrue(one.was_cut(answer))
                resident.append(service.resident_bytes())
            self.assertLess(resident[-1] - resident[200], 16 << 20, resident[::100])


if __name__ == "__main__":
    unittest.main()
