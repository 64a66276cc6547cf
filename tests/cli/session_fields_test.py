# SPDX-License-Identifier: Apache-2.0
"""Each setting of a session, and each field of what is said in one: of the wrong type or out of its
range it is refused by its own name and changes nothing (J06, J07); at the ends of its range it works.

    session_fields_test.py GEMMA3N
"""
import json
import unittest

import server_live_test as live
import server_realtime_test as realtime
from fields import HOLE, HUGE, NO_OBJECT, NO_TEXT, filled, flag, integer, items, mapping, number, text
from service import NANO
from web_socket import Closed, WebSocket

VOCABULARY = json.loads((NANO / "config.json").read_text())["text_config"]["vocab_size"]
INT = 2**31 - 1


def kinds(**of):
    return tuple((name, one["wrong"], one["right"]) for name, one in of.items())


def inside(template, path, fields):
    """Rows (template with a hole, what is named, what is refused, what is not) of an object's fields."""
    return [(filled(template, {**(template_of or {}), name: HOLE}), path + name, wrong, right)
            for template_of, rows in fields for name, wrong, right in rows]


def word(*right, **more):
    return {"wrong": (*NO_TEXT, "x", ""), "right": right, **more}


FUNCTION = {"type": "function", "name": "f"}
SERVER, SEMANTIC = {"type": "server_vad"}, {"type": "semantic_vad"}
OF_DETECTION = (
    (None, kinds(type=word("server_vad", "semantic_vad"))),
    (SERVER, kinds(threshold=number(0, 1), prefix_padding_ms=integer(0, 5000, 5000),
                   silence_duration_ms=integer(100, 10000, 10000),
                   idle_timeout_ms=integer(1000, 300000, 300000), create_response=flag(),
                   interrupt_response=flag())),
    (SEMANTIC, kinds(eagerness=word("low", "medium", "high", "auto", None))))
OF_TRANSCRIPTION = ((None, kinds(
    model=text("x" * 256), language={"wrong": (*NO_TEXT, "x"), "right": ("en", "de", "", None)}, prompt=text("x" * 4096))),)
MOST = {"wrong": (True, [], {}, "1", "x", 0, -1, INT + 1, 2**64 - 1, 0.5), "right": (1, INT, 2.0, "inf", None)}
MODALITIES = {"wrong": (1, True, "text", {}, [1], ["smell"], ["audio"], [], [None], ["audio", "text"]),
              "right": (["text"], None)}
OLD_MODALITIES = {"wrong": MODALITIES["wrong"][:-1], "right": (["text"], ["audio", "text"], None)}
OF_BOTH = (
    (None, kinds(
        instructions={"wrong": (*NO_TEXT, "x" * ((1 << 20) + 1)), "right": ("", "x", None)},
        model={"wrong": NO_TEXT, "right": ("nano", None)}, type=word("realtime", None),
        tools=items(), parallel_tool_calls=flag(), temperature=number(0, 2), logit_bias=mapping(),
        tool_choice={"wrong": (1, True, [], "x", {}), "right": ("auto", "none", None)},
        seed={"wrong": ("1", True, [], {}, 0.5, 2**63, 2**64 - 1), "right": (-2**63, 1.0, HUGE, None)},
        truncation={"wrong": (1, True, [], "x"), "right": ("auto", "disabled", {"type": "retention_ratio"}, None)})),)
GA = (
    *inside(HOLE, "session.", OF_BOTH),
    *inside(HOLE, "session.", ((None, kinds(output_modalities=MODALITIES, max_output_tokens=MOST)),)),
    *inside({"audio": {"input": {"format": HOLE}}}, "session.audio.input.format.", (
        (None, kinds(type=word("audio/pcm", "audio/pcmu", "audio/pcma"))),
        ({"type": "audio/pcm"}, kinds(rate=integer(8000, 48000, 48000))))),
    *inside({"audio": {"input": {"turn_detection": HOLE}}}, "session.audio.input.turn_detection.", OF_DETECTION),
    *inside({"audio": {"input": {"transcription": HOLE}}}, "session.audio.input.transcription.", OF_TRANSCRIPTION),
    *inside({"truncation": HOLE}, "session.truncation.", ((None, kinds(
        type=word("retention_ratio", None), retention_ratio=number(0, 1))),)),
    ({"tools": [HOLE]}, "session.tools[0]", NO_OBJECT, (FUNCTION,)),
    *inside({"tools": [HOLE]}, "session.tools[0].", ((FUNCTION, kinds(
        type={"wrong": (*NO_TEXT, "x"), "right": ()}, description=text("x"), strict=flag(),
        name={"wrong": (*NO_TEXT, "", "a b", "f" * 65), "right": ("f" * 64,)})),)),
    ({"tools": [FUNCTION], "tool_choice": {"type": HOLE}}, "session.tool_choice", (*NO_TEXT, "x"), ()),
    ({"tools": [FUNCTION], "tool_choice": {"type": "function", "name": HOLE}}, "session.tool_choice.name",
     (*NO_TEXT, "g", ""), ("f",)),
    ({"logit_bias": {"5": HOLE}}, "session.logit_bias.5", ("1", True, [], {}, -100.1, 100.1, 1e300), (-100, 100)),
    ({"logit_bias": {str(VOCABULARY): HOLE}}, "session.logit_bias", (1,), ()),
)
BETA = (
    *inside(HOLE, "session.", ((None, kinds(
        modalities=OLD_MODALITIES, max_response_output_tokens=MOST,
        input_audio_format={"wrong": (*NO_TEXT, "opus"), "right": ("pcm16", "g711_ulaw", "g711_alaw")})),)),
    *inside({"turn_detection": HOLE}, "session.turn_detection.", OF_DETECTION),
    *inside({"input_audio_transcription": HOLE}, "session.input_audio_transcription.", OF_TRANSCRIPTION),
)


def said(**fields):
    return {"type": "conversation.item.create", "item": {
        "type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}], **fields}}


def part(**fields):
    return said(content=[fields])


def called(**fields):
    return {"type": "conversation.item.create", "item": {
        "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", **fields}}


def answer(**fields):
    return {"type": "response.create", "response": {"conversation": "none", **fields}}


EVENTS = (
    ({"type": HOLE}, "type", (*NO_TEXT, "x", "", None, "session.created"), ()),
    ({"type": "session.update", "session": HOLE}, "session", NO_OBJECT, ()),
    ({"type": "conversation.item.create", "item": HOLE}, "item", (*NO_OBJECT, None), ()),
    (said(type=HOLE), "item.type", (*NO_TEXT, "x", None), ("message",)),
    (said(role=HOLE), "item.role", (*NO_TEXT, "x", None), ("user", "system")),
    (said(id=HOLE), "item.id", (*NO_TEXT, "x" * 1000), (None,)),
    (said(content=HOLE), "item.content", (1, True, "x", {}, None), ()),
    (said(content=[HOLE]), "item.content[0]", NO_OBJECT, ()),
    (part(type=HOLE), "item.content[0].type", (*NO_TEXT, "x", "output_text"), ()),
    (part(type="input_text", text=HOLE), "item.content[0].text", (*NO_TEXT, None), ("", "x")),
    (part(type="input_audio", audio=HOLE), "item.content[0].audio", (*NO_TEXT, None, "!", "AAA"), ()),
    (part(type="input_image", image_url=HOLE), "item.content[0].image_url", (1, True, [], None, "x"), ()),
    (called(call_id=HOLE), "item.call_id", NO_TEXT, ("x",)),
    (called(name=HOLE), "item.name", (*NO_TEXT, "", "a b", None), ("f",)),
    (called(arguments=HOLE), "item.arguments", (*NO_TEXT, "[]", "x", '{"a":1e400}', None), ('{"a":1}', '{"a":1,"a":2}')),
    ({**said(), "previous_item_id": HOLE}, "previous_item_id", (*NO_TEXT, "nowhere"), ("root", None)),
    *(({"type": "conversation.item." + kind, "item_id": HOLE}, "item_id", (*NO_TEXT, "nowhere", None), ())
      for kind in ("delete", "retrieve", "truncate")),
    ({"type": "input_audio_buffer.append", "audio": HOLE}, "audio", (*NO_TEXT, None, "!", "AAA"), ("", "AAAA")),
    ({"type": "response.create", "response": HOLE}, "response", NO_OBJECT, ()),
    (answer(conversation=HOLE), "response.conversation", (*NO_TEXT, "x", ""), ()),
    (answer(instructions=HOLE), "response.instructions", NO_TEXT, ()),
    (answer(input=HOLE), "response.input", (1, True, "x", {}), ()),
    (answer(input=[HOLE]), "response.input[0]", NO_OBJECT, ()),
    (answer(input=[{"type": "item_reference", "id": HOLE}]), "response.input[0].id", (*NO_TEXT, "nowhere"), ()),
    (answer(metadata=HOLE), "response.metadata", NO_OBJECT, ()),
    (answer(temperature=HOLE), "response.temperature", ("1", True, [], {}, -1e-6, 2.1, 1e300), ()),
    (answer(max_output_tokens=HOLE), "response.max_output_tokens", MOST["wrong"], ()),
    (answer(output_modalities=HOLE), "response.output_modalities", MODALITIES["wrong"], ()),
    (answer(tools=HOLE), "response.tools", (1, True, "x", {}), ()),
    (answer(tool_choice=HOLE), "response.tool_choice", (1, True, [], "x"), ()),
)


class Realtime(realtime.Sessions):
    def refused(self, talk, event, param, value):
        try:
            code, found = talk.refused(event)
        except TimeoutError:
            self.fail((param, str(value)[:100], "no error came"))
        where = (param, str(value)[:100], code, found)
        self.assertTrue((found or "").startswith(param), where)
        self.assertIn(code, ("invalid_value", "unsupported_value", "missing_required_parameter",
                             "invalid_image", "invalid_audio"), where)

    def sets(self, talk, rows):
        before = talk.update({})
        for template, param, wrong, _ in rows:
            for value in wrong:
                self.refused(talk, {"type": "session.update", "session": filled(template, value)}, param, value)
        self.assertEqual(talk.update({}), before)
        for template, _, _, right in rows:
            for value in right:
                talk.update(filled(template, value))

    def test_hostile_J06_J07_settings(self):
        self.sets(self.talk(), GA)

    def test_hostile_J06_J07_settings_of_the_older_spelling(self):
        self.sets(self.talk(headers=["OpenAI-Beta: realtime=v1"]), BETA)

    def test_hostile_J06_J07_events(self):
        talk = self.talk(realtime.MANUAL)
        for template, param, wrong, _ in EVENTS:
            for value in wrong:
                self.refused(talk, filled(template, value), param, value)
        for template, _, _, right in EVENTS:
            for value in right:
                talk.send(filled(template, value))
        talk.send({"type": "input_audio_buffer.clear"})
        events = talk.events("input_audio_buffer.cleared")
        self.assertNotIn("error", realtime.types(events))
        self.assertEqual(realtime.types(events).count("conversation.item.done"),
                         sum(len(right) for template, _, _, right in EVENTS if "item" in template))


def mode(*names, **more):
    return {"wrong": (True, [], {}, "x", -1), "right": (*names, None), **more}


def proto(kind):
    """GenAI also takes numbers as texts."""
    return {**kind, "wrong": tuple(one for one in kind["wrong"] if one != "1")}


SETUP = (
    *inside(HOLE, "setup.", ((None, kinds(
        model={"wrong": (1, True, [], {}, None), "right": ("models/nano", "nano")},
        generationConfig=mapping(), tools=items(), realtimeInputConfig=mapping(),
        inputAudioTranscription=mapping(), sessionResumption=mapping(), contextWindowCompression=mapping(),
        systemInstruction={"wrong": (1, True, []), "right": ({"parts": [{"text": "x"}]}, None)})),)),
    *inside({"generationConfig": HOLE}, "setup.generationConfig.", ((None, kinds(
        temperature=proto(number(0, 2)), topP=proto(number(0, 1)), topK=proto(integer(0, INT, INT)),
        maxOutputTokens=proto(integer(1, HUGE, HUGE)), candidateCount=proto(integer(1, 1)),
        presencePenalty=proto(number(-2, 2)), frequencyPenalty=proto(number(-2, 2)),
        seed=proto({"wrong": (True, [], {}, 0.5, "x"), "right": (-2**63, HUGE, None)}),
        stopSequences={"wrong": (1, True, {}, [""], ["x"] * 17), "right": (["x"] * 16, None)},
        responseModalities={"wrong": (1, True, {}, "TEXT", ["SMELL"], ["AUDIO"]), "right": (["TEXT"], None)},
        mediaResolution=mode("MEDIA_RESOLUTION_LOW"))),)),
    *inside({"realtimeInputConfig": HOLE}, "setup.realtimeInputConfig.", ((None, kinds(
        activityHandling=mode("NO_INTERRUPTION", "START_OF_ACTIVITY_INTERRUPTS"),
        turnCoverage=mode("TURN_INCLUDES_ALL_INPUT", "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"),
        automaticActivityDetection=mapping())),)),
    *inside({"realtimeInputConfig": {"automaticActivityDetection": HOLE}},
            "setup.realtimeInputConfig.automaticActivityDetection.", ((None, kinds(
                disabled=flag(), prefixPaddingMs=proto(integer(0, 5000, 5000)),
                silenceDurationMs=proto(integer(100, 10000, 10000)),
                startOfSpeechSensitivity=mode("START_SENSITIVITY_LOW"),
                endOfSpeechSensitivity=mode("END_SENSITIVITY_LOW"))),)),
    *inside({"inputAudioTranscription": HOLE}, "setup.inputAudioTranscription.", ((None, kinds(
        languageCodes={"wrong": (1, True, "en", {}, [1], ["x"], ["en"] * 65), "right": (["en-US", "de"], None)})),)),
    *inside({"sessionResumption": HOLE}, "setup.sessionResumption.", ((None, kinds(
        handle={"wrong": NO_TEXT, "right": (None,)})),)),
    *inside({"contextWindowCompression": HOLE}, "setup.contextWindowCompression.", ((None, kinds(
        triggerTokens=proto(integer(1, INT, INT)))),)),
)


class Live(live.Sessions):
    def opened(self, template, value):
        """What the settings get: "" when they are taken, else why not."""
        with WebSocket(self.service.port, live.PATH) as talk:
            talk.send({"setup": {"model": "models/nano", **filled(template, value)}})
            try:
                self.assertIn("setupComplete", talk.receive())
                return ""
            except Closed as closed:
                self.assertEqual(closed.code, 1007)
                return closed.reason

    def test_hostile_J06_J07_settings(self):
        for template, path, wrong, right in SETUP:
            for value in wrong:
                reason = self.opened(template, value)
                self.assertTrue(reason.startswith(path), (path, value, reason))
            for value in right:
                self.assertEqual(self.opened(template, value), "", (path, value))


if __name__ == "__main__":
    unittest.main()
