# SPDX-License-Identifier: Apache-2.0
"""Google GenAI's Live interface: text, sound and pictures in, text out.

    server_live_test.py GEMMA3N
"""
import pathlib
import signal
import tempfile
import time
import unittest

from live_sound import WAV, at_rate, joined, pcm, pieces, silence, speech, text, whistle
from service import NANO, Service, run, user
from web_socket import BINARY, Closed, WebSocket

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
QUESTION = "Transcribe the following speech segment."
# What it has said becomes ever likelier: an answer of nano to SNOW then goes on to the context's end.
LONG = {"frequencyPenalty": -2, "presencePenalty": -2}
SNOW = "Repeat: snow snow snow snow snow snow"
MANUAL = {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}
CLOCK = {"name": "get_time", "description": "The time in a city.", "parameters": {
    "type": "OBJECT", "properties": {"city": {"type": "STRING", "enum": ["Oslo", "Lima"]}},
    "required": ["city"]}}


class Talk(WebSocket):
    """A session that answers with the likeliest."""

    def __init__(self, service, setup=None, path=PATH, **options):
        super().__init__(service.port, path, **options)
        config = {"temperature": 0, "responseModalities": ["TEXT"],
                  **(setup or {}).get("generationConfig", {})}
        self.send({"setup": {"model": "models/nano", **(setup or {}), "generationConfig": config}})
        self.complete = self.receive()["setupComplete"]

    def turn(self):
        """All messages of a turn."""
        messages = []
        while True:
            messages.append(self.receive())
            if messages[-1].get("serverContent", {}).get("turnComplete"):
                return messages

    def say(self, words, complete=True):
        self.send({"clientContent": {"turns": [{"role": "user", "parts": [{"text": words}]}],
                                     "turnComplete": complete}})

    def ask(self, words):
        self.say(words)
        return text_of(self.turn())

    def hear(self, samples, rate=16000, size=3200):
        for piece in pieces(pcm(at_rate(samples, rate)), size):
            self.send({"realtimeInput": {"audio": {"data": text(piece),
                                                   "mimeType": f"audio/pcm;rate={rate}"}}})

    def until(self, key):
        """Messages up to one that has it, of the message or of its serverContent."""
        messages = [self.receive()]
        while key not in messages[-1] and key not in messages[-1].get("serverContent", {}):
            messages.append(self.receive())
        return messages


def text_of(messages):
    return "".join(part["text"] for message in messages for part in
                   message.get("serverContent", {}).get("modelTurn", {}).get("parts", []))


class Sessions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()
        cls.heard = run("--temp", 0, "--audio", WAV, QUESTION)["text"]

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def talk(self, setup=None, **options):
        talk = Talk(self.service, setup, **options)
        self.addCleanup(talk.__exit__)
        return talk

    def closes(self, code, reason, *messages, first=None):
        """The messages, behind a setup, close the session so."""
        with WebSocket(self.service.port, PATH) as raw:
            raw.send(first or {"setup": {"model": "models/nano"}})
            for message in messages:
                raw.send(message)
            found = raw.closed()
            self.assertEqual(found[0], code, found)
            self.assertIn(reason, found[1])


class Live(Sessions):
    def test_a_conversation_in_text(self):
        talk = self.talk()
        self.assertTrue(talk.complete["sessionId"])
        talk.say("What is 3 plus 4?")
        messages = talk.turn()
        self.assertEqual(text_of(messages), "7")
        self.assertEqual(messages[0]["serverContent"]["modelTurn"]["role"], "model")
        self.assertEqual(messages[-2], {"serverContent": {"generationComplete": True}})
        usage = messages[-1]["usageMetadata"]
        self.assertEqual(usage["totalTokenCount"],
                         usage["promptTokenCount"] + usage["responseTokenCount"])
        wanted = self.service.chat(user("What is 3 plus 4?"), {"role": "assistant", "content": "7"},
                                   user("What is the opposite of left?"))
        self.assertEqual(talk.ask("What is the opposite of left?"),
                         wanted["choices"][0]["message"]["content"])

    def test_both_spellings_both_frames_and_the_doubled_slash(self):
        with WebSocket(self.service.port, "/" + PATH.replace("v1beta", "v1alpha")) as talk:
            talk.send({"setup": {"model": "nano", "generation_config": {
                "temperature": 0, "response_modalities": ["TEXT"], "max_output_tokens": "50"},
                "system_instruction": {"parts": [{"text": "Answer briefly."}]}}}, BINARY)
            self.assertIn("setupComplete", talk.receive())
            talk.send({"client_content": {"turns": [{"parts": [{"text": "Repeat: boat"}]}]}})
            talk.send({"client_content": {"turn_complete": True}}, BINARY)  # base64 comes so, too:
            talk.send({"realtime_input": {"audio": {"data": "_-8", "mime_type": "audio/pcm"}}})
            wanted = self.service.chat({"role": "system", "content": "Answer briefly."},
                                       user("Repeat: boat"))
            self.assertEqual(text_of(Talk.turn(talk)), wanted["choices"][0]["message"]["content"])

    def test_what_was_said_before_is_given(self):
        talk = self.talk()
        talk.send({"clientContent": {"turnComplete": True, "turns": [
            {"role": "user", "parts": [{"text": "What is 3 plus 4?"}]},
            {"role": "model", "parts": [{"text": "7"}]},
            {"role": "user", "parts": [{"text": "What is 5 plus 1?"}]}]}})
        self.assertEqual(text_of(talk.turn()), "6")

    def test_contents_and_config_are_those_of_generate_content(self):
        picture = {"inlineData": {"data": text((NANO / "eval/pictures-0069.png").read_bytes())}}
        sound = {"inlineData": {"data": text(pcm(speech())), "mimeType": "audio/pcm;rate=16000"}}
        enum = {"type": "STRING", "enum": ["green", "blue"]}
        called = [{"role": "model", "parts": [{"functionCall": {"id": "1", "name": "get_time", "args": {}}}]},
                  {"parts": [{"functionResponse": {"id": "1", "response": {"time": "12:00"}}}]}]
        for parts, config, after in (
                ([picture, {"text": "What shape is yellow?"}], {"mediaResolution": "MEDIA_RESOLUTION_LOW"}, []),
                ([sound, {"text": QUESTION}], {"maxOutputTokens": "9", "stopSequences": ["a"]}, []),
                ([{"text": "What is the time?"}], {}, called),
                ([{"text": "Grass is"}, {"thought": True, "text": "well"}],
                 {"responseMimeType": "text/x.enum", "responseSchema": enum}, [])):
            asked = {"generationConfig": {"temperature": 0, **config},
                     "systemInstruction": {"parts": [{"text": "Be"}, {"text": " brief."}]}}
            turns = [{"role": "user", "parts": parts}, *after]
            status, _, wanted = self.service.post("/v1beta/models/nano:generateContent",
                                                  {"contents": turns, **asked})
            self.assertEqual(status, 200, wanted)
            talk = self.talk(asked)
            for turn in turns[:-1]:
                talk.send({"clientContent": {"turns": [turn]}})
            talk.send({"clientContent": {"turns": turns[-1:], "turnComplete": True}})
            found = talk.turn()
            self.assertEqual(text_of(found), wanted["candidates"][0]["content"]["parts"][0]["text"])
            self.assertEqual(found[-1]["usageMetadata"]["promptTokensDetails"],
                             wanted["usageMetadata"]["promptTokensDetails"])

    def test_speech_is_heard_written_down_and_answered(self):
        for rate in (8000, 16000, 24000, 48000):
            talk = self.talk({"inputAudioTranscription": {},
                              "systemInstruction": {"parts": [{"text": QUESTION}]}})
            talk.hear(joined(silence(0.5), speech(), silence(1)), rate)
            messages = talk.turn()
            if not any("inputTranscription" in one.get("serverContent", {}) for one in messages):
                messages += talk.until("inputTranscription")
            heard = [one["serverContent"]["inputTranscription"] for one in messages
                     if "inputTranscription" in one.get("serverContent", {})]
            self.assertEqual(len(heard), 1)
            self.assertTrue(heard[0]["finished"])
            if rate >= 16000:
                self.assertEqual(heard[0]["text"], self.heard)
            usage = next(one["usageMetadata"] for one in messages if "usageMetadata" in one)
            self.assertIn("AUDIO", [one["modality"] for one in usage["promptTokensDetails"]])

    def test_the_client_says_who_speaks_when(self):
        talk = self.talk({**MANUAL, "inputAudioTranscription": {}})
        talk.hear(speech())  # before an activity: nobody's
        talk.send({"realtimeInput": {"activityStart": {}}})
        talk.hear(speech())
        talk.send({"realtimeInput": {"text": "What is it?"}})
        self.assertIsNone(talk.receive(0.3))  # the turn goes on
        talk.send({"realtimeInput": {"activityEnd": {}}})
        messages = talk.turn()
        if not any("inputTranscription" in one.get("serverContent", {}) for one in messages):
            messages += talk.until("inputTranscription")
        self.assertEqual([one["serverContent"]["inputTranscription"]["text"] for one in messages
                          if "inputTranscription" in one.get("serverContent", {})], [self.heard])
        self.assertIsNone(talk.receive(0.3))

    def test_the_end_of_the_stream_ends_what_is_said(self):
        talk = self.talk({"inputAudioTranscription": {}})
        talk.hear(joined(silence(0.5), speech()))
        talk.send({"realtimeInput": {"audioStreamEnd": True}})
        self.assertTrue(talk.until("inputTranscription")[-1])

    def test_pictures_one_a_second(self):
        for coverage in ("TURN_INCLUDES_ALL_INPUT", "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"):
            self.show_pictures(coverage)

    def show_pictures(self, coverage):
        talk = self.talk({"realtimeInputConfig": {"turnCoverage": coverage}})
        frame = {"data": text((NANO / "eval/pictures-0069.png").read_bytes()),
                 "mimeType": "image/png"}
        for _ in range(10):
            talk.send({"realtimeInput": {"video": frame}})
        talk.send({"realtimeInput": {"mediaChunks": [frame]}})
        talk.send({"realtimeInput": {"text": "What shape is yellow?"}})
        messages = talk.turn()
        self.assertEqual(text_of(messages), "triangle")
        details = {one["modality"]: one["tokenCount"]
                   for one in messages[-1]["usageMetadata"]["promptTokensDetails"]}
        self.assertEqual(details["IMAGE"], 16)  # one of eleven
        talk.send({"clientContent": {"turnComplete": True, "turns": [{"parts": [
            {"inlineData": frame}, {"text": "What shape is yellow?"}]}]}})
        self.assertEqual(text_of(talk.turn()), "triangle")

    def test_functions(self):
        talk = self.talk({"tools": [{"functionDeclarations": [CLOCK]}],
                          "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}})
        talk.say("What is the time in Oslo?")
        calls = talk.until("toolCall")[-1]["toolCall"]["functionCalls"]
        for call in calls:
            self.assertEqual(call["name"], "get_time")
            self.assertIn(call["args"]["city"], ("Oslo", "Lima"))
        self.assertIsNone(talk.receive(0.2))  # the turn waits for what they return
        talk.send({"toolResponse": {"functionResponses": [
            {"id": call["id"], "name": "get_time", "response": {"time": "12:00"}}
            for call in calls]}})
        again = talk.until("toolCall")[-1]["toolCall"]["functionCalls"]
        # Whoever says something else does not wait for them.
        talk.say("Hello!")
        cancelled = talk.receive()["toolCallCancellation"]["ids"]
        self.assertEqual(set(cancelled), {call["id"] for call in again})
        self.assertEqual([one["serverContent"] for one in talk.turn()], [{"interrupted": True}, {"turnComplete": True}])
        talk.until("toolCall")
        talk.send({"toolResponse": {"functionResponses": [
            {"id": cancelled[0], "name": "get_time", "response": {}}]}})
        self.assertIsNone(talk.receive(0.2))  # too late, and no harm

    def test_a_noise_while_a_function_works_ends_the_turn(self):
        """What is begun and is no speech is answered by nobody: the client would wait for ever."""
        talk = self.talk({"tools": [{"functionDeclarations": [CLOCK]}], "sessionResumption": {},
                          "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}})
        talk.say("What is the time in Oslo?")
        calls = talk.until("toolCall")[-1]["toolCall"]["functionCalls"]
        talk.hear(joined(silence(1), whistle(), silence(2)))
        messages = talk.turn()
        self.assertEqual(messages[0]["toolCallCancellation"]["ids"], sorted(call["id"] for call in calls))
        self.assertEqual(messages[1:], [{"serverContent": {"interrupted": True}},
                                        {"serverContent": {"turnComplete": True}}])
        self.assertIn("sessionResumptionUpdate", talk.receive())
        self.assertIsNone(talk.receive(0.3))
        talk.say("What is the time in Lima?")  # and the session goes on
        self.assertTrue(talk.until("toolCall"))

    def test_speech_and_text_interrupt(self):
        for interrupt in ("speech", "text", "content"):
            talk = self.talk({"generationConfig": LONG})
            talk.say(SNOW)
            talk.until("modelTurn")
            if interrupt == "speech":
                talk.hear(joined(speech(), silence(1)))
            elif interrupt == "text":
                talk.send({"realtimeInput": {"text": "Hello!"}})
            else:
                talk.say("Hello!")
            first = talk.turn()
            marks = [one["serverContent"] for one in first if "modelTurn" not in one["serverContent"]]
            self.assertEqual(marks, [{"interrupted": True}, {"turnComplete": True}])
            talk.until("modelTurn")  # of the answer to what interrupted

    def test_an_answer_may_go_on_while_somebody_speaks(self):
        talk = self.talk({"generationConfig": {**LONG, "maxOutputTokens": 1000},
                          "realtimeInputConfig": {"activityHandling": "NO_INTERRUPTION"}})
        talk.say(SNOW)
        talk.until("modelTurn")
        talk.hear(joined(speech(), silence(1)))
        first = talk.turn()
        self.assertNotIn({"serverContent": {"interrupted": True}}, first)
        self.assertEqual(first[-1]["usageMetadata"]["responseTokenCount"], 1000)
        talk.turn()  # what was said is answered behind it

    def test_a_conversation_goes_on_in_another_session(self):
        talk = self.talk({"sessionResumption": {}})
        self.assertEqual(talk.ask("What is 3 plus 4?"), "7")
        update = talk.receive()["sessionResumptionUpdate"]
        self.assertTrue(update["resumable"])
        talk.__exit__()
        again = self.talk({"sessionResumption": {"handle": update["newHandle"]}})
        again.say("What is the opposite of left?")
        alone = self.service.chat(user("What is 3 plus 4?"), {"role": "assistant", "content": "7"},
                                  user("What is the opposite of left?"))
        self.assertEqual(again.turn()[-1]["usageMetadata"]["promptTokenCount"],
                         alone["usage"]["prompt_tokens"])


class Hostile(Sessions):
    def test_hostile_W05_messages_that_are_none(self):
        setup = {"setup": {"model": "models/nano"}}
        for message in ("{", "[]", "{}", {"other": 1}, {"clientContent": {}, "toolResponse": {}},
                        {"clientContent": 5}, {"clientContent": {"turns": 5}},
                        {"clientContent": {"turnComplete": True}},  # nothing was said
                        {"realtimeInput": 5}, {"realtimeInput": {"audio": {"data": "*",
                                                                          "mimeType": "audio/pcm"}}},
                        {"realtimeInput": {"audio": {"data": "", "mimeType": "audio/mp3"}}},
                        {"realtimeInput": {"audio": {"data": "", "mimeType": "audio/pcm;rate=7"}}},
                        {"realtimeInput": {"video": {"data": "AAAA", "mimeType": "image/png"}}},
                        {"realtimeInput": {"activityStart": {}}},
                        {"toolResponse": {"functionResponses": [{"id": "x", "name": "x"}]}},
                        setup):  # a second one
            self.closes(1007, "", message)
        self.closes(1007, "setup", first={"clientContent": {"turnComplete": True}})
        self.closes(1007, "TEXT", first={"setup": {"model": "models/nano", "generationConfig": {
            "responseModalities": ["AUDIO"]}}})
        self.closes(1007, "one answer", first={"setup": {"model": "models/nano", "generationConfig": {
            "candidateCount": 2}}})
        self.closes(1007, "temperature", first={"setup": {"model": "models/nano", "generationConfig": {
            "temperature": 3}}})
        self.closes(1007, "googleSearch", first={"setup": {"model": "models/nano", "tools": [
            {"googleSearch": {}}]}})
        self.closes(1008, "other", first={"setup": {"model": "models/other"}})
        # Nobody else has noticed.
        self.assertEqual(self.talk().ask("What is 3 plus 4?"), "7")

    def test_hostile_W05_a_thousand_messages_a_second(self):
        flood, other = self.talk(), self.talk()
        for i in range(1000):
            flood.say("x", complete=False)
            if i % 250 == 0:
                other.ask("What is 3 plus 4?")
        flood.say("x")
        self.assertTrue(flood.turn())

    def test_hostile_W07_interrupted_at_every_point(self):
        talk = self.talk({"generationConfig": {**LONG, "maxOutputTokens": 6}})

        def ends(messages):
            return [name for one in messages for name in ("interrupted", "generationComplete", "turnComplete")
                    if one.get("serverContent", {}).get(name)]
        for after in range(10):
            talk.say(SNOW)
            messages = []
            while len(messages) < after and "turnComplete" not in ends(messages):
                messages.append(talk.receive())
            talk.say("Hello!")
            if "turnComplete" not in ends(messages):
                messages += talk.turn()
            self.assertIn(ends(messages), (["interrupted", "turnComplete"], ["generationComplete", "turnComplete"]))
            self.assertEqual(ends(talk.turn()), ["generationComplete", "turnComplete"])
        self.assertIsNone(talk.receive(0.2))  # and nothing comes later

    def test_hostile_W08_handles(self):
        with tempfile.TemporaryDirectory() as place:
            keys = pathlib.Path(place) / "keys"
            keys.write_text("first-key\nsecond-key\n")
            with Service("--api-key-file", keys) as service:
                with Talk(service, {"sessionResumption": {}}, PATH + "?key=first-key") as talk:
                    talk.ask("What is 3 plus 4?")
                    handle = talk.receive()["sessionResumptionUpdate"]["newHandle"]
                for key, given in (("second-key", handle), ("first-key", handle[:-1]),
                                   ("first-key", "x" * 1000)):
                    with WebSocket(service.port, PATH + "?key=" + key) as raw:
                        raw.send({"setup": {"model": "nano", "sessionResumption": {"handle": given}}})
                        self.assertEqual(raw.closed()[0], 1008)
                with Talk(service, {"sessionResumption": {"handle": handle}},
                          PATH + "?key=first-key"):
                    pass
                with self.assertRaises(Closed) as closed:
                    WebSocket(service.port, PATH)
                self.assertEqual(closed.exception.code, 401)
                self.assertIn("UNAUTHENTICATED", closed.exception.reason)
                self.assertNotIn("first-key", service.log())

    def test_hostile_U08_sound_in_odd_pieces(self):
        talk = self.talk({"inputAudioTranscription": {}})
        sound = pcm(joined(silence(0.5), speech(), silence(1)))
        for piece in [sound[at:at + 1] for at in range(0, 500)] + pieces(sound[500:], 777):
            talk.send({"realtimeInput": {"audio": {"data": text(piece),
                                                   "mimeType": "audio/pcm;rate=16000"}}})
        self.assertEqual(talk.until("inputTranscription")[-1]["serverContent"]
                         ["inputTranscription"]["text"], self.heard)

    def test_hostile_U09_another_rate_between_two_utterances_alone(self):
        talk = self.talk({"inputAudioTranscription": {}})
        talk.hear(joined(speech(), silence(1)), 24000)
        talk.until("inputTranscription")
        talk.hear(joined(speech(), silence(1)), 16000)
        talk.until("inputTranscription")
        talk.hear(joined(silence(0.2), speech()[:16000]), 24000)
        talk.hear(speech()[16000:17000], 16000)
        self.assertEqual(talk.closed()[0], 1007)


class Ends(unittest.TestCase):
    def test_a_session_is_told_of_its_end(self):
        with Service("--live-seconds", 2) as service:
            with Talk(service) as talk:
                self.assertEqual(talk.receive()["goAway"], {"timeLeft": "2s"})
                began = time.monotonic()
                self.assertEqual(talk.closed()[0], 1000)
                self.assertLess(time.monotonic() - began, 10)

    def test_a_server_that_shuts_down_lets_answers_finish(self):
        limited = {"generationConfig": {**LONG, "maxOutputTokens": 2000}}
        with Service("--drain", 100) as service, Talk(service, limited) as talk, \
                Talk(service) as idle:
            talk.say(SNOW)
            talk.until("modelTurn")
            service.process.send_signal(signal.SIGTERM)
            self.assertRegex(idle.receive()["goAway"]["timeLeft"], "^(100|9.)s$")
            self.assertEqual(idle.closed()[0], 1001)
            messages = talk.turn()
            self.assertEqual(len([one for one in messages if "goAway" in one]), 1)
            self.assertEqual(messages[-1]["usageMetadata"]["responseTokenCount"], 2000)
            self.assertEqual(talk.closed()[0], 1001)
            self.assertEqual(service.process.wait(30), 0)

    def test_answers_that_take_too_long_end_with_the_server(self):
        with Service("--drain", 1) as service, Talk(service, {"generationConfig": LONG}) as talk:
            talk.say(SNOW)
            talk.until("modelTurn")
            service.process.send_signal(signal.SIGTERM)
            self.assertEqual(talk.until("goAway")[-1]["goAway"], {"timeLeft": "1s"})
            messages = talk.turn()
            self.assertIn({"serverContent": {"generationComplete": True}}, messages)
            self.assertEqual(talk.closed()[0], 1001)
            self.assertEqual(service.process.wait(30), 0)

    def test_nothing_new_is_answered_by_a_server_that_shuts_down(self):
        with Service() as service, Talk(service, {"generationConfig": LONG}) as talk:
            talk.say(SNOW)
            talk.until("modelTurn")
            service.process.send_signal(signal.SIGTERM)
            talk.until("goAway")
            talk.say("Hello!")
            self.assertIn({"serverContent": {"interrupted": True}}, talk.turn())
            self.assertEqual(talk.closed()[0], 1001)
            self.assertEqual(service.process.wait(30), 0)


if __name__ == "__main__":
    unittest.main()
