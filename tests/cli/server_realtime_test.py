# SPDX-License-Identifier: Apache-2.0
"""OpenAI's Realtime interface: text and sound in, text out.

    server_realtime_test.py GEMMA3N
"""
import json
import pathlib
import signal
import tempfile
import time
import unittest

from form import HEADERS, file, form
from live_sound import WAV, at_rate, joined, mu_law, pcm, pieces, silence, speech, text
from service import NANO, Service, data_uri, run, user
from web_socket import BINARY, Closed, WebSocket

QUESTION = "Transcribe the following speech segment."
ENDLESS = {"1": -100, "7": -100}  # ends of nano's answers, as logit_bias
MANUAL = {"audio": {"input": {"turn_detection": None}}}
CLOCK = {"type": "function", "name": "get_time", "description": "The time in a city.",
         "parameters": {"type": "object", "properties": {"city": {"enum": ["Oslo", "Lima"]}},
                        "required": ["city"]}, "strict": True}


class Talk(WebSocket):
    """A session that answers with the likeliest."""

    def __init__(self, service, path="/v1/realtime?model=nano", session=None, **options):
        super().__init__(service.port, path, **options)
        self.created = self.receive()
        self.update({"temperature": 0, **(session or {})})

    def update(self, session):
        kind = self.created["session"]["type"]
        self.send({"type": "session.update", "session": {"type": kind, **session}})
        return self.next("session.updated")["session"]

    def events(self, *last):
        """All up to one of these types."""
        events = [self.receive()]
        while events[-1]["type"] not in last:
            events.append(self.receive())
        return events

    def next(self, *types):
        return self.events(*types)[-1]

    def say(self, words, **event):
        self.send({"type": "conversation.item.create", **event, "item": {
            "type": "message", "role": "user",
            "content": [{"type": "input_text", "text": words}]}})

    def ask(self, words, **response):
        self.say(words)
        self.send({"type": "response.create", "response": response})
        return self.next("response.done")["response"]

    def hear(self, data, size=4800):
        for piece in pieces(data, size):
            self.send({"type": "input_audio_buffer.append", "audio": text(piece)})

    def refused(self, event):
        """The error that an event gets."""
        self.send({"event_id": "mine", **event})
        error = self.next("error")["error"]
        assert error["event_id"] == "mine"
        return error["code"], error["param"]


def text_of(response):
    return "".join(part["text"] for item in response["output"] for part in item["content"])


def types(events):
    return [event["type"] for event in events]


class Sessions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()
        cls.heard = run("--temp", 0, "--audio", WAV, QUESTION)["text"]

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def talk(self, session=None, **options):
        talk = Talk(self.service, session=session, **options)
        self.addCleanup(talk.__exit__)
        return talk


class Realtime(Sessions):
    def test_a_session_is_told_whole(self):
        talk = self.talk(protocols=["realtime", "openai-insecure-api-key.none"])
        self.assertEqual(talk.header("Sec-WebSocket-Protocol"), "realtime")
        self.assertEqual(talk.created["type"], "session.created")
        session = talk.created["session"]
        self.assertEqual((session["type"], session["model"], session["output_modalities"]),
                         ("realtime", "nano", ["text"]))
        self.assertEqual(session["audio"]["input"]["format"], {"type": "audio/pcm", "rate": 24000})
        self.assertEqual(session["audio"]["input"]["turn_detection"]["type"], "server_vad")
        detection = {"type": "semantic_vad", "eagerness": "low", "create_response": False}
        session = talk.update({"instructions": "Be brief.", "tools": [CLOCK], "max_output_tokens": 5,
                               "audio": {"input": {"turn_detection": detection}}})
        self.assertEqual((session["instructions"], session["tools"], session["max_output_tokens"]),
                         ("Be brief.", [CLOCK], 5))
        found = session["audio"]["input"]["turn_detection"]
        self.assertEqual({**found, **detection}, found)
        # What is not named stays, null turns off.
        session = talk.update(MANUAL)
        self.assertIsNone(session["audio"]["input"]["turn_detection"])
        self.assertEqual(session["instructions"], "Be brief.")

    def test_what_cannot_be_is_refused_and_changes_nothing(self):
        talk = self.talk({"instructions": "one"})
        for session, code, param in (
                ({"output_modalities": ["audio"]}, "unsupported_value", "session.output_modalities"),
                ({"output_modalities": ["text", "audio"]}, "unsupported_value", "session.output_modalities"),
                ({"model": "other"}, "model_not_found", "model"),
                ({"type": "transcription"}, "unsupported_value", "session.type"),
                ({"instructions": 5}, "invalid_value", "session.instructions"),
                ({"tools": [{"type": "mcp"}]}, "unsupported_value", "session.tools[0].type"),
                ({"tool_choice": {"type": "function", "name": "x"}}, "invalid_value",
                 "session.tool_choice.name"),
                ({"audio": {"input": {"format": {"type": "audio/opus"}}}}, "invalid_value",
                 "session.audio.input.format.type"),
                ({"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}},
                 "invalid_value", "session.audio.input.turn_detection.threshold")):
            event = {"type": "session.update", "session": {"instructions": "two", **session}}
            self.assertEqual(talk.refused(event), (code, param))
        self.assertEqual(talk.update({})["instructions"], "one")
        for path, status in (("/v1/realtime?model=other", 404), ("/v1/realtime?intent=x", 400)):
            with self.assertRaises(Closed) as closed:
                WebSocket(self.service.port, path)
            self.assertEqual(closed.exception.code, status)

    def test_a_conversation_in_text(self):
        talk = self.talk()
        talk.say("What is 3 plus 4?")
        talk.send({"type": "response.create", "response": {"metadata": {"a": "b"}}})
        events = talk.events("response.done")
        self.assertEqual(types(events), [
            "conversation.item.added", "conversation.item.done", "response.created",
            "response.output_item.added", "conversation.item.added", "response.content_part.added",
            "response.output_text.delta", "response.output_text.done", "response.content_part.done",
            "response.output_item.done", "conversation.item.done", "response.done"])
        self.assertEqual(len({event["event_id"] for event in events}), len(events))
        response = events[-1]["response"]
        self.assertEqual((text_of(response), response["status"], response["metadata"]),
                         ("7", "completed", {"a": "b"}))
        self.assertEqual(events[6]["delta"], "7")
        self.assertEqual(response["output"][0], events[-2]["item"])
        usage = response["usage"]
        self.assertEqual(usage["total_tokens"], usage["input_tokens"] + usage["output_tokens"])
        # It goes on as a conversation of the other interface does.
        second = talk.ask("What is the opposite of left?")
        wanted = self.service.chat(user("What is 3 plus 4?"), {"role": "assistant", "content": "7"},
                                   user("What is the opposite of left?"))
        self.assertEqual(text_of(second), wanted["choices"][0]["message"]["content"])
        self.assertEqual(second["usage"]["input_tokens"], wanted["usage"]["prompt_tokens"])
        self.assertGreater(second["usage"]["input_token_details"]["cached_tokens"], 0)

    def test_the_assistant_may_speak_first(self):
        question = "What is the opposite of left?"

        def said(*before):
            return self.service.chat(*before, user(question))["choices"][0]["message"]["content"]

        greeting = {"type": "message", "role": "assistant", "content": [
            {"type": "output_text", "text": "Hello! How can I help?"}]}
        talk = self.talk()
        talk.send({"type": "conversation.item.create", "item": greeting})
        self.assertEqual(text_of(talk.ask(question)), said(
            user(""), {"role": "assistant", "content": "Hello! How can I help?"}))
        # A client that forgets is answered as one that greets.
        talk = self.talk()
        talk.send({"type": "conversation.item.create", "item": {
            "id": "oldest", "type": "message", "role": "user",
            "content": [{"type": "input_text", "text": "What is 3 plus 4?"}]}})
        talk.send({"type": "response.create"})
        talk.next("response.done")
        talk.send({"type": "conversation.item.delete", "item_id": "oldest"})
        self.assertEqual(text_of(talk.ask(question)),
                         said(user(""), {"role": "assistant", "content": "7"}))
        # So is one whose instructions were answered, where nothing had been said.
        talk = self.talk({"instructions": "What is 3 plus 4?"})
        talk.send({"type": "response.create"})
        first = talk.next("response.done")["response"]
        self.assertEqual(first["status"], "completed")
        self.assertEqual(text_of(talk.ask(question)), said(
            {"role": "system", "content": "What is 3 plus 4?"}, user(""),
            {"role": "assistant", "content": text_of(first)}))

    def test_an_answer_stands_behind_what_it_answers(self):
        """What is said while it is prepared comes behind it, and is answered too."""
        detection = {"type": "server_vad", "interrupt_response": False}
        talk = self.talk({"audio": {"input": {"turn_detection": detection}}})
        long = "boat " * 1200  # takes a while to be read

        def begin(id):
            talk.send({"type": "conversation.item.create", "item": {
                "id": id, "type": "message", "role": "user",
                "content": [{"type": "input_text", "text": long}]}})
            talk.send({"type": "response.create", "response": {"max_output_tokens": 5}})

        def places(events):
            return {event["item"]["id"]: event["previous_item_id"] for event in events
                    if event["type"] == "conversation.item.added"}

        begin("first")
        talk.say("What is 3 plus 4?")
        events = talk.events("response.done")
        answer = events[-1]["response"]["output"][0]["id"]
        found = places(events)
        self.assertEqual(list(found.values()), [None, "first", "first"])  # the question came first
        self.assertEqual(found[answer], "first")
        talk.send({"type": "response.create"})
        wanted = self.service.chat(
            user(long), {"role": "assistant", "content": text_of(events[-1]["response"])},
            user("What is 3 plus 4?"))["choices"][0]["message"]["content"]
        self.assertEqual(text_of(talk.next("response.done")["response"]), wanted)
        # Where the one it answers is gone, it stands at the end.
        begin("second")
        talk.send({"type": "conversation.item.delete", "item_id": "second"})
        talk.say("Hello!")
        events = talk.events("response.done")
        *_, hello, answer = places(events)
        self.assertEqual(places(events)[answer], hello)
        # Spoken: it is answered without being asked for.
        begin("third")
        talk.hear(pcm(joined(at_rate(speech(), 24000), silence(1, 24000))))
        events = talk.events("response.done")
        self.assertEqual(places(events)[events[-1]["response"]["output"][0]["id"]], "third")
        again = talk.next("response.done")["response"]
        self.assertEqual((again["status"], len(again["output"])), ("completed", 1))

    def test_answers_beside_the_conversation(self):
        talk = self.talk({"instructions": "Answer briefly."})
        talk.send({"type": "response.create", "response": {
            "conversation": "none", "instructions": "", "input": [
                {"type": "message", "role": "user",
                 "content": [{"type": "input_text", "text": "What is 3 plus 4?"}]}]}})
        events = talk.events("response.done")
        self.assertFalse([one for one in types(events) if one.startswith("conversation")])
        self.assertEqual(text_of(events[-1]["response"]), "7")
        self.assertEqual(talk.refused({"type": "response.create", "response": {
            "instructions": ""}}), ("invalid_value", "response"))  # nothing was said
        talk.send({"type": "response.create", "response": {"instructions": "What is 3 plus 4?"}})
        self.assertEqual(talk.next("response.done")["response"]["status"], "completed")

    def test_what_is_referred_to_counts_like_what_is_said(self):
        talk = self.talk()
        talk.send({"type": "conversation.item.create", "item": {
            "id": "long", "type": "message", "role": "user",
            "content": [{"type": "input_text", "text": "x" * (1 << 20)}] * 7}})
        talk.next("conversation.item.done")
        reference = {"type": "item_reference", "id": "long"}
        self.assertEqual(talk.refused({"type": "response.create",
                                       "response": {"input": [reference] * 10}}),
                         ("request_too_large", "response.input"))

    def test_the_older_spelling(self):
        for options in ({"headers": ["OpenAI-Beta: realtime=v1"]},
                        {"protocols": ["realtime", "openai-beta.realtime-v1"]}):
            talk = self.talk({"modalities": ["text", "audio"], "max_response_output_tokens": 50},
                             **options)
            session = talk.created["session"]
            self.assertEqual((session["modalities"], session["input_audio_format"],
                              session["turn_detection"]["type"]), (["text"], "pcm16", "server_vad"))
            self.assertNotIn("audio", session)
            talk.say("What is 3 plus 4?")
            talk.send({"type": "response.create"})
            found = types(talk.events("response.done"))
            self.assertIn("response.text.delta", found)
            self.assertEqual(found.count("conversation.item.created"), 2)
            self.assertNotIn("conversation.item.added", found)
            self.assertNotIn("conversation.item.done", found)
            self.assertEqual(talk.refused({"type": "session.update", "session": {
                "modalities": ["audio"]}}), ("unsupported_value", "session.modalities"))

    def test_speech_is_heard_written_down_and_answered(self):
        talk = self.talk({"audio": {"input": {"transcription": {"model": "any"}}},
                          "instructions": QUESTION})
        sound = joined(silence(1, 24000), at_rate(speech(), 24000), silence(1, 24000))
        talk.hear(pcm(sound))
        events = talk.events("response.done")
        if "conversation.item.input_audio_transcription.completed" not in types(events):
            events += talk.events("conversation.item.input_audio_transcription.completed")
        by_type = {event["type"]: event for event in events}
        started, stopped = (by_type["input_audio_buffer.speech_" + what]
                            for what in ("started", "stopped"))
        self.assertAlmostEqual(started["audio_start_ms"], 700, delta=300)
        self.assertAlmostEqual(stopped["audio_end_ms"], 1000 + len(speech()) / 16, delta=400)
        self.assertEqual({event["item_id"] for event in events if "item_id" in event and
                          event["type"].startswith(("input_audio", "conversation"))},
                         {started["item_id"]})
        self.assertEqual(types(events)[:5], [
            "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"])
        completed = by_type["conversation.item.input_audio_transcription.completed"]
        self.assertEqual(completed["transcript"], self.heard)
        self.assertGreater(completed["usage"]["input_token_details"]["audio_tokens"], 0)
        response = by_type["response.done"]["response"]
        self.assertEqual(response["status"], "completed")
        self.assertGreater(response["usage"]["input_token_details"]["audio_tokens"], 0)
        talk.send({"type": "conversation.item.retrieve", "item_id": started["item_id"]})
        self.assertEqual(talk.next("conversation.item.retrieved")["item"]["content"],
                         [{"type": "input_audio", "transcript": self.heard}])

    def test_the_client_says_when_somebody_has_spoken(self):
        talk = self.talk({**MANUAL, "audio": {"input": {
            "turn_detection": None, "transcription": {"language": "es"}}}})
        empty = {"type": "input_audio_buffer.commit"}
        self.assertEqual(talk.refused(empty), ("input_audio_buffer_commit_empty", None))
        talk.hear(pcm(silence(0.05, 24000)))
        self.assertEqual(talk.refused(empty), ("input_audio_buffer_commit_empty", None))
        talk.send({"type": "input_audio_buffer.clear"})
        talk.next("input_audio_buffer.cleared")
        talk.hear(pcm(silence(0.1, 24000)))  # all that came counts
        talk.send({"type": "input_audio_buffer.commit"})
        talk.next("conversation.item.input_audio_transcription.completed")
        talk.hear(pcm(at_rate(speech(), 24000)), 4801)  # half samples wait
        talk.send({"type": "input_audio_buffer.commit"})
        events = talk.events("conversation.item.input_audio_transcription.completed")
        self.assertEqual(types(events)[:3], ["input_audio_buffer.committed",
                                             "conversation.item.added", "conversation.item.done"])
        self.assertIn("conversation.item.input_audio_transcription.delta", types(events))
        self.assertTrue(events[-1]["transcript"])
        talk.send({"type": "response.create", "response": {"instructions": QUESTION}})
        self.assertEqual(talk.next("response.done")["response"]["status"], "completed")

    def test_a_hint_stands_behind_the_question(self):
        """As that of a recording does."""
        sound = speech()

        def spoken(**hints):
            talk = self.talk({"audio": {"input": {"turn_detection": None, "transcription": hints}}})
            talk.hear(pcm(at_rate(sound, 24000)))
            talk.send({"type": "input_audio_buffer.commit"})
            done = talk.next("conversation.item.input_audio_transcription.completed")
            return done["usage"]["input_token_details"]["text_tokens"]

        def recorded(*hints):
            _, _, answer = self.service.request("POST", "/v1/audio/transcriptions", form(
                *hints, file(WAV.read_bytes())), HEADERS)
            return json.loads(answer)["usage"]["input_token_details"]["text_tokens"]

        language, prompt = ("language", "es"), ("prompt", "In the house of Hugo.")
        more = recorded(language, prompt) - recorded(language)
        self.assertGreater(more, 5)
        self.assertEqual(spoken(**dict([language, prompt])) - spoken(**dict([language])), more)
        self.assertGreater(spoken(**dict([language])), spoken())

    def test_all_that_is_said_is_written_down(self):
        """However much of it comes at once."""
        talk = self.talk(MANUAL, path="/v1/realtime?intent=transcription")
        for _ in range(100):
            talk.hear(pcm(silence(0.1, 24000)))
            talk.send({"type": "input_audio_buffer.commit"})
        committed, ended = [], []
        while len(ended) < 100:
            event = talk.next("input_audio_buffer.committed",
                              "conversation.item.input_audio_transcription.completed",
                              "conversation.item.input_audio_transcription.failed")
            (committed if event["type"].endswith("committed") else ended).append(event["item_id"])
            self.assertFalse(event["type"].endswith("failed"), event)
            self.assertLessEqual(len(committed) - len(ended), 32)
        self.assertEqual(ended, committed)

    def test_silence_can_be_an_utterance(self):
        talk = self.talk({"audio": {"input": {"turn_detection": {
            "type": "server_vad", "idle_timeout_ms": 1000}}}})
        talk.ask("What is 3 plus 4?")
        events = talk.events("response.done")
        self.assertEqual(types(events)[:2], ["input_audio_buffer.timeout_triggered",
                                             "input_audio_buffer.committed"])
        self.assertEqual(events[0]["item_id"], events[1]["item_id"])

    def test_a_session_that_transcribes_alone(self):
        talk = self.talk(path="/v1/realtime?intent=transcription")
        self.assertEqual(talk.created["session"]["type"], "transcription")
        talk.hear(pcm(joined(silence(0.5, 24000), at_rate(speech(), 24000),
                                   silence(1, 24000))))
        events = talk.events("conversation.item.input_audio_transcription.completed")
        self.assertEqual(events[-1]["transcript"], self.heard)
        self.assertNotIn("response.created", types(events))
        self.assertEqual(talk.refused({"type": "response.create"}), ("unsupported_value", "type"))

    def test_pictures_and_items(self):
        talk = self.talk()
        look = {"id": "look", "type": "message", "role": "user", "content": [
            {"type": "input_image", "image_url": data_uri(NANO / "eval/pictures-0069.png", "image/png")},
            {"type": "input_text", "text": "What shape is yellow?"}]}
        talk.send({"type": "conversation.item.create", "item": look})
        talk.send({"type": "response.create"})
        response = talk.next("response.done")["response"]
        self.assertEqual(text_of(response), "triangle")
        self.assertGreater(response["usage"]["input_token_details"]["image_tokens"], 0)
        talk.say("first", previous_item_id="root")
        self.assertIsNone(talk.next("conversation.item.added")["previous_item_id"])
        talk.say("third", previous_item_id="look")
        self.assertEqual(talk.next("conversation.item.added")["previous_item_id"], "look")
        self.assertEqual(talk.refused({"type": "conversation.item.create", "item": look}),
                         ("invalid_value", "item.id"))
        self.assertEqual(talk.refused({"type": "conversation.item.create", "previous_item_id": "x",
                                       "item": {**look, "id": "b"}}),
                         ("invalid_value", "previous_item_id"))
        talk.send({"type": "conversation.item.delete", "item_id": "look"})
        self.assertEqual(talk.next("conversation.item.deleted")["item_id"], "look")
        for what in ("delete", "retrieve"):
            self.assertEqual(talk.refused({"type": "conversation.item." + what, "item_id": "look"}),
                             ("invalid_value", "item_id"))
        self.assertEqual(talk.refused({"type": "conversation.item.truncate", "item_id": "x",
                                       "content_index": 0, "audio_end_ms": 5}),
                         ("unsupported_value", "item_id"))

    def test_functions(self):
        talk = self.talk({"tools": [CLOCK], "tool_choice": "required"})
        talk.say("What is the time in Oslo?")
        talk.send({"type": "response.create"})
        events = talk.events("response.done")
        done = [one for one in events if one["type"] == "response.function_call_arguments.done"]
        deltas = [one for one in events if one["type"] == "response.function_call_arguments.delta"]
        call = events[-1]["response"]["output"][0]
        self.assertEqual((call["type"], call["status"], call["name"]),
                         ("function_call", "completed", "get_time"))
        self.assertIn(json.loads(call["arguments"])["city"], ("Oslo", "Lima"))
        self.assertEqual(done[0]["arguments"], call["arguments"])
        self.assertEqual("".join(one["delta"] for one in deltas
                                 if one["item_id"] == call["id"]), call["arguments"])
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "12:00"}
        self.assertEqual(talk.refused({"type": "conversation.item.create",
                                       "item": {**output, "call_id": "x"}}),
                         ("invalid_value", "item.call_id"))
        talk.send({"type": "conversation.item.create", "item": output})
        self.assertEqual(talk.next("conversation.item.done")["item"]["output"], "12:00")
        talk.send({"type": "response.create", "response": {"tool_choice": "none"}})
        response = talk.next("response.done")["response"]
        self.assertEqual([item["type"] for item in response["output"]], ["message"])

    def test_one_answer_at_a_time_which_can_be_cancelled(self):
        talk = self.talk({"logit_bias": ENDLESS})
        cancel = {"type": "response.cancel"}
        self.assertEqual(talk.refused(cancel), ("response_cancel_not_active", None))
        talk.say("Hello!")
        talk.send({"type": "response.create"})
        id = talk.next("response.created")["response"]["id"]
        talk.next("response.output_text.delta")
        self.assertEqual(talk.refused({"type": "response.create"}),
                         ("conversation_already_has_active_response", None))
        self.assertEqual(talk.refused({**cancel, "response_id": "x"}),
                         ("invalid_value", "response_id"))
        talk.send({**cancel, "response_id": id})
        response = talk.next("response.done")["response"]
        self.assertEqual((response["id"], response["status"], response["status_details"]["reason"]),
                         (id, "cancelled", "client_cancelled"))
        self.assertEqual(response["output"][0]["status"], "incomplete")
        self.assertTrue(text_of(response))
        self.assertEqual(talk.refused(cancel), ("response_cancel_not_active", None))
        talk.update({"max_output_tokens": 3})
        response = talk.ask("Hello!")
        self.assertEqual((response["status"], response["status_details"]["reason"],
                          response["usage"]["output_tokens"]), ("incomplete", "max_output_tokens", 3))

    def test_speech_interrupts(self):
        for interrupts in (True, False):
            talk = self.talk({"logit_bias": ENDLESS, "max_output_tokens": 1500, "audio": {"input": {
                "turn_detection": {"type": "server_vad", "interrupt_response": interrupts}}}})
            talk.say("Hello!")
            talk.send({"type": "response.create"})
            talk.next("response.output_text.delta")
            talk.update({"logit_bias": {}, "max_output_tokens": 20})
            talk.hear(pcm(joined(at_rate(speech(), 24000), silence(1, 24000))))
            done = talk.next("response.done")["response"]
            self.assertEqual(done["status"], "cancelled" if interrupts else "incomplete")
            if interrupts:
                self.assertEqual(done["status_details"]["reason"], "turn_detected")
            # What was said is answered behind it.
            again = talk.events("response.done")
            self.assertIn("response.created", types(again))
            self.assertEqual(len(again[-1]["response"]["output"]), 1)


class Hostile(Sessions):
    def test_hostile_W05_events_that_are_none(self):
        talk = self.talk()
        for frame, code in (("{", "invalid_json"), ("[]", "invalid_json"), ("5", "invalid_json"),
                            ('{"type":"x","type":"y"}', "invalid_json"),
                            ("{}", "missing_required_parameter"),
                            ('{"type":5}', "invalid_value"), ('{"type":"none.such"}', "invalid_value"),
                            ('{"type":"session.update"}', "invalid_value"),
                            ('{"type":"conversation.item.create","item":[]}', "invalid_value"),
                            ('{"type":"response.create","response":[]}', "invalid_value"),
                            ('{"type":"input_audio_buffer.append","audio":"*"}', "invalid_value"),
                            ('{"type":"input_audio_buffer.append"}', "missing_required_parameter")):
            talk.send(frame)
            self.assertEqual(talk.receive()["error"]["code"], code, frame)
        talk.send('{"type":"session.update","session":{"type":"realtime"}}', BINARY)
        talk.next("session.updated")
        self.assertEqual(text_of(talk.ask("What is 3 plus 4?")), "7")

    def test_hostile_W05_a_thousand_events_a_second(self):
        flood, other = self.talk(), self.talk()
        for i in range(1000):
            flood.send({"type": "conversation.item.retrieve", "item_id": str(i)})
            if i % 250 == 0:
                self.assertEqual(text_of(other.ask("What is 3 plus 4?")), "7")
        for i in range(1000):
            self.assertEqual(flood.receive()["type"], "error")

    def test_hostile_W07_cancel_and_delete_at_every_point(self):
        talk = self.talk({"max_output_tokens": 8, "logit_bias": ENDLESS})
        for after in range(14):
            for deletes in (False, True):
                talk.say("Repeat: boat white Hugo")
                talk.send({"type": "response.create"})
                events = []
                for _ in range(after):
                    events.append(talk.receive())
                if deletes:
                    made = [one["item"]["id"] for one in events
                            if one["type"] == "conversation.item.added"]
                    for id in made:
                        talk.send({"type": "conversation.item.delete", "item_id": id})
                talk.send({"type": "response.cancel"})
                talk.send({"type": "session.update", "session": {"type": "realtime"}})
                talk.send({"type": "input_audio_buffer.clear"})
                events += talk.events("input_audio_buffer.cleared")
                found = types(events)
                if "response.done" not in found:
                    self.fail(f"no end after {after} events: {found}")
                self.assertEqual(found.count("response.created"), 1)
                self.assertEqual(found.count("response.done"), 1, found)
                behind = found[found.index("response.done"):]
                self.assertFalse([one for one in behind if "delta" in one])
        self.assertEqual(talk.receive(0.2), None)  # and nothing comes later

    def test_hostile_W07_speech_at_every_point(self):
        talk = self.talk({"max_output_tokens": 30, "logit_bias": ENDLESS})
        sound = pcm(joined(at_rate(speech(), 24000), silence(1, 24000)))
        for _ in range(6):
            talk.hear(sound, 24000)
        events = talk.events("response.done")

        def count(kind):
            return types(events).count(kind)

        while True:
            all_ended = count("input_audio_buffer.committed") == 6 and \
                count("response.created") == count("response.done")
            more = talk.receive(3 if all_ended else None)
            if more is None:
                break
            events.append(more)
        self.assertEqual(count("response.created"), count("response.done"))
        self.assertEqual(count("input_audio_buffer.committed"), 6)
        ids = [one["response"]["id"] for one in events if one["type"] == "response.done"]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(events[-1]["response"]["status"], "incomplete")

    def test_hostile_U08_sound_in_odd_pieces_and_too_much_of_it(self):
        talk = self.talk(MANUAL)
        sound = pcm(at_rate(speech(), 24000))
        talk.hear(sound[:600], 1)  # a byte each
        talk.hear(sound[600:], 997)
        talk.send({"type": "input_audio_buffer.commit"})
        talk.next("conversation.item.done")
        before = len(sound) // 48
        # 10 times as fast as it is spoken, and more than is kept.
        talk.hear(pcm(silence(36, 24000)), 480000)
        error = talk.next("error")["error"]
        self.assertEqual(error["code"], "input_audio_buffer_overflow")
        dropped_ms = int(error["message"].split("before ")[1].split()[0])
        self.assertAlmostEqual(dropped_ms, before + 36000 - 30000, delta=300)
        talk.send({"type": "input_audio_buffer.commit"})
        talk.next("conversation.item.done")
        # Times are those of the sound: nothing was lost of them.
        talk.update({"audio": {"input": {"turn_detection": {"type": "server_vad",
                                                            "create_response": False}}}})
        talk.hear(pcm(joined(silence(2, 24000), at_rate(speech(), 24000), silence(1, 24000))))
        started = talk.next("input_audio_buffer.speech_started")
        self.assertAlmostEqual(started["audio_start_ms"], before + 36000 + 2000 - 300, delta=300)

    def test_hostile_U08_long_silence_and_noise(self):
        talk = self.talk()
        talk.hear(pcm(silence(120, 24000)), 960000)
        self.assertEqual(text_of(talk.ask("What is 3 plus 4?")), "7")

    def test_hostile_U09_another_format_between_two_utterances_alone(self):
        telephone = {"audio": {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": None}}}
        wide = {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}}
        talk = self.talk({**MANUAL, "audio": {"input": {
            "turn_detection": None, "transcription": {"model": "any"}}}})
        talk.hear(pcm(at_rate(speech(), 24000)))
        for other in (telephone, wide, {"audio": {"input": {"turn_detection": {
                "type": "server_vad"}}}}):
            self.assertEqual(talk.refused({"type": "session.update", "session": other}),
                             ("invalid_value", "session"))
        completed = "conversation.item.input_audio_transcription.completed"
        heard = []
        talk.send({"type": "input_audio_buffer.commit"})
        heard.append(talk.next(completed)["transcript"])
        talk.update(telephone)
        talk.hear(mu_law(speech()[::2]), 1600)
        talk.send({"type": "input_audio_buffer.commit"})
        self.assertTrue(talk.next(completed)["transcript"])  # narrow, and understood as well as may be
        talk.update(wide)
        talk.hear(pcm(speech()), 3200)
        talk.send({"type": "input_audio_buffer.commit"})
        heard.append(talk.next(completed)["transcript"])
        self.assertEqual(heard, [self.heard] * 2)


class Secrets(unittest.TestCase):
    def test_keys_for_pages(self):
        with tempfile.TemporaryDirectory() as place:
            keys = pathlib.Path(place) / "keys"
            keys.write_text("first-key\nsecond-key\n")
            with Service("--api-key-file", keys) as service:
                mine = {"Authorization": "Bearer first-key"}
                status, _, secret = service.post("/v1/realtime/client_secrets", {
                    "expires_after": {"anchor": "created_at", "seconds": 10},
                    "session": {"type": "realtime", "instructions": "Be brief."}}, mine)
                self.assertEqual(status, 200, secret)
                self.assertTrue(secret["value"].startswith("ek_"))
                self.assertAlmostEqual(secret["expires_at"], time.time() + 10, delta=5)
                self.assertEqual(secret["session"]["instructions"], "Be brief.")
                with self.assertRaises(Closed) as closed:
                    WebSocket(service.port, "/v1/realtime")
                self.assertEqual(closed.exception.code, 401)
                protocols = ["realtime", "openai-insecure-api-key." + secret["value"]]
                with WebSocket(service.port, "/v1/realtime", protocols=protocols) as page:
                    self.assertEqual(page.receive()["session"]["instructions"], "Be brief.")
                status, _, old = service.post("/v1/realtime/sessions", {"instructions": "Old."}, mine)
                self.assertEqual((status, old["instructions"]), (200, "Old."))
                self.assertEqual(old["client_secret"]["value"][:3], "ek_")
                status, _, wrong = service.post("/v1/realtime/client_secrets",
                                                {"session": {"type": "x"}}, mine)
                self.assertEqual((status, wrong["error"]["param"]), (400, "session.type"))


class Ends(unittest.TestCase):
    def test_a_session_ends_in_time(self):
        with Service("--live-seconds", 1) as service:
            with WebSocket(service.port, "/v1/realtime") as session:
                self.assertEqual(session.receive()["type"], "session.created")
                self.assertEqual(session.receive()["error"]["code"], "session_expired")
                self.assertEqual(session.closed()[0], 1000)

    def test_a_server_that_shuts_down_lets_answers_finish(self):
        endless = {"logit_bias": ENDLESS, "max_output_tokens": 2000}
        with Service("--drain", 100) as service, Talk(service, session=endless) as talk, Talk(service) as idle:
            talk.say("Hello!")
            talk.send({"type": "response.create"})
            talk.next("response.output_text.delta")
            service.process.send_signal(signal.SIGTERM)
            self.assertEqual(idle.closed()[0], 1001)
            done = talk.next("response.done")["response"]
            self.assertEqual(done["usage"]["output_tokens"], 2000)
            self.assertEqual(talk.closed()[0], 1001)
            self.assertEqual(service.process.wait(30), 0)


if __name__ == "__main__":
    unittest.main()
