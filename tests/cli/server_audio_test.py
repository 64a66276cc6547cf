# SPDX-License-Identifier: Apache-2.0
"""Recordings that are sent to the server become the texts of `gemma3n transcribe`, beside answers.

    server_audio_test.py GEMMA3N
"""
import json
import pathlib
import socket
import struct
import tempfile
import threading
import time
import unittest
import wave

import numpy as np
from form import HEADERS, file, form
from program import call
from service import NANO, WITHOUT_END, Service, user

RATE = 16000
TRANSCRIPTIONS, TRANSLATIONS = "/v1/audio/transcriptions", "/v1/audio/translations"


def wav(samples, rate=RATE, bits=16):
    size = bits // 8
    data = bytes(samples)
    return (b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " +
            struct.pack("<IHHIIHH", 16, 1, 1, rate, size * rate, size, bits) + b"data" +
            struct.pack("<I", len(data)) + data)


def sayings():
    """nano's spoken example, also slower, and the first half of it."""
    with wave.open(str(NANO / "examples/spanish.wav")) as clip:
        assert clip.getframerate() == RATE and clip.getnchannels() == 1
        said = np.frombuffer(clip.readframes(clip.getnframes()), np.int16)
    slower = np.interp(np.arange(0, len(said), 0.85), np.arange(len(said)), said).astype(np.int16)
    return said, slower, said[:len(said) // 2], said


def recording(pieces, repeats=1):
    """One after another with pauses, as a WAV file."""
    silence = np.zeros(int(1.5 * RATE), np.int16)
    whole = [silence]
    for piece in pieces:
        whole += [piece, silence]
    return wav(np.tile(np.concatenate(whole), repeats).tobytes())


class Recordings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.place.name) / "talk.wav"
        cls.talk = recording(sayings())
        cls.path.write_bytes(cls.talk)
        cls.service = Service()

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()
        cls.place.cleanup()

    def send(self, *parts, path=TRANSCRIPTIONS, status=200):
        found, headers, body = self.service.request("POST", path, form(*parts), HEADERS)
        self.assertEqual(found, status, body)
        return headers, body

    def refused(self, *parts, status=400, **options):
        return json.loads(self.send(*parts, status=status, **options)[1])["error"]

    def program(self, *arguments):
        code, out, err = call("transcribe", "-m", NANO, self.path, "--quiet", *arguments)
        self.assertEqual(code, 0, err)
        return out

    def test_formats(self):
        said = self.program().splitlines()
        self.assertGreaterEqual(len(said), 3)
        sound = file(self.talk)
        headers, body = self.send(("model", "nano"), sound)
        answer = json.loads(body)
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(answer["text"], " ".join(said))
        usage = answer["usage"]
        self.assertEqual(usage["input_tokens"], sum(usage["input_token_details"].values()))
        self.assertEqual(usage["total_tokens"], usage["input_tokens"] + usage["output_tokens"])
        self.assertGreater(usage["input_token_details"]["audio_tokens"], 20)
        # The file may come before the other fields, too.
        headers, body = self.send(sound, ("response_format", "text"), ("unknown", "x"))
        self.assertEqual(headers["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(headers["x-gemma3n-ignored"], "unknown")
        self.assertEqual(body.decode(), " ".join(said) + "\n")
        for name, kind in (("srt", "text/plain; charset=utf-8"), ("vtt", "text/vtt; charset=utf-8")):
            headers, body = self.send(sound, ("response_format", name))
            self.assertEqual(headers["Content-Type"], kind)
            self.assertEqual(body.decode(), self.program("--format", name))

    def test_verbose(self):
        expected = json.loads(self.program("--format", "json", "--language", "Spanish"))
        answer = json.loads(self.send(file(self.talk), ("response_format", "verbose_json"),
                                      ("timestamp_granularities[]", "segment"), ("language", "es"))[1])
        self.assertEqual(answer["task"], "transcribe")
        self.assertEqual(answer["language"], "spanish")
        self.assertEqual(answer["duration"], expected["duration"])
        self.assertEqual(answer["usage"]["type"], "duration")
        self.assertEqual(answer["text"], expected["text"])
        self.assertEqual(len(answer["segments"]), len(expected["segments"]))
        for i, (ours, theirs) in enumerate(zip(answer["segments"], expected["segments"])):
            self.assertEqual(ours["id"], i)
            self.assertEqual(ours["text"], " " + theirs["text"])
            self.assertEqual((ours["start"], ours["end"]), (theirs["start"], theirs["end"]))
            self.assertEqual(ours["seek"], round(theirs["start"] * 100))
            self.assertAlmostEqual(ours["avg_logprob"], theirs["avg_logprob"], 9)
            self.assertEqual(ours["no_speech_prob"], theirs["no_speech"])
            self.assertEqual(ours["temperature"], 0)
            self.assertLess(0.2, ours["compression_ratio"])
            self.assertTrue(ours["tokens"])

    def test_translation_and_logprobs(self):
        expected = self.program("--task", "translate").splitlines()
        answer = json.loads(self.send(file(self.talk), path=TRANSLATIONS)[1])
        self.assertEqual(answer["text"], " ".join(expected))
        verbose = json.loads(self.send(file(self.talk), ("response_format", "verbose_json"),
                                       path=TRANSLATIONS)[1])
        self.assertEqual((verbose["task"], verbose["language"]), ("translate", "english"))
        answer = json.loads(self.send(file(self.talk), ("include[]", "logprobs"))[1])
        self.assertEqual(len(answer["logprobs"]), answer["usage"]["output_tokens"])
        for one in answer["logprobs"]:
            self.assertLessEqual(one["logprob"], 0)
            self.assertEqual(bytes(one["bytes"]).decode(), one["token"])

    def events(self, *parts):
        headers, body = self.send(*parts, ("stream", "true"))
        self.assertEqual(headers["Content-Type"], "text/event-stream; charset=utf-8")
        return [json.loads(line[6:]) for line in body.decode().split("\n\n") if line]

    def test_stream(self):
        whole = json.loads(self.send(file(self.talk))[1])
        events = self.events(file(self.talk))
        deltas = [e["delta"] for e in events if e["type"] == "transcript.text.delta"]
        segments = [e for e in events if e["type"] == "transcript.text.segment"]
        self.assertEqual(events[-1], {"type": "transcript.text.done", **whole})
        self.assertEqual("".join(deltas), whole["text"])
        self.assertEqual([s["id"] for s in segments], [str(i) for i in range(len(deltas))])
        self.assertEqual(" ".join(s["text"] for s in segments), whole["text"])
        self.assertEqual(len(events), 2 * len(deltas) + 1)

    def test_what_hears_nothing(self):
        silence = recording([])
        self.assertEqual(json.loads(self.send(file(silence))[1])["text"], "")
        answer = json.loads(self.send(file(silence), ("response_format", "verbose_json"))[1])
        self.assertEqual((answer["text"], answer["segments"]), ("", []))
        self.assertEqual(self.send(file(silence), ("response_format", "srt"))[1], b"")

    def test_sound_of_a_film(self):
        film = NANO / "examples" / "film.mp4"
        code, out, err = call("transcribe", "-m", NANO, film, "--quiet", "--format", "srt")
        self.assertEqual(code, 0, err)
        self.assertEqual(self.send(file(film.read_bytes()), ("response_format", "srt"))[1].decode(), out)

    def test_hints(self):
        """They go into the question, which the embedded model was not taught: any answer will do."""
        tokens = []
        for hints in ((), (("keywords[]", "luz"), ("keywords[]", "Hugo")), (("prompt", "In a house."),),
                      (("languages[]", "es"), ("languages[]", "it"))):
            answer = json.loads(self.send(file(self.talk), *hints)[1])
            tokens.append(answer["usage"]["input_token_details"]["text_tokens"])
        self.assertTrue(all(more > tokens[0] for more in tokens[1:]), tokens)

        def language(*hints):
            return json.loads(self.send(file(self.talk), *hints, ("response_format", "verbose_json"))[1])["language"]
        self.assertEqual(language(("language", "ES")), "spanish")
        self.assertEqual(language(("languages[]", "es"), ("language", "es")), "spanish")
        # Of several it is asked for, as without any.
        self.assertEqual(language(("languages[]", "es"), ("languages[]", "it")), language())
        # A short pause makes more pieces; a high bar leaves out those that are less like speech.
        def segments(*strategy):
            answer = self.send(file(self.talk), *strategy, ("response_format", "verbose_json"))[1]
            return json.loads(answer)["segments"]
        many = segments(("chunking_strategy", '{"type":"server_vad","silence_duration_ms":60}'))
        self.assertGreater(len(many), len(segments()))
        self.assertTrue(any(one["no_speech_prob"] > 0.2 for one in many))
        fewer = segments(("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "0.8"),
                         ("chunking_strategy[silence_duration_ms]", "60"))
        self.assertEqual(fewer, [{**one, "id": i} for i, one in enumerate(
            one for one in many if one["no_speech_prob"] <= 0.2)])
        self.send(file(self.talk), ("chunking_strategy", "auto"))

    def test_refusals(self):
        sound = file(self.talk)
        for code, param, *parts in (
                ("unsupported_value", "response_format", ("response_format", "diarized_json"), sound),
                ("unsupported_value", "timestamp_granularities", ("response_format", "verbose_json"),
                 ("timestamp_granularities[]", "word"), sound),
                ("unsupported_value", "known_speaker_names", ("known_speaker_names[]", "A"), sound),
                ("invalid_value", "timestamp_granularities", ("timestamp_granularities[]", "segment"), sound),
                ("invalid_value", "include", ("include[]", "logprobs"), ("response_format", "text"), sound),
                ("invalid_value", "include", ("include[]", "x"), sound),
                ("invalid_value", "stream", ("stream", "true"), ("response_format", "srt"), sound),
                ("invalid_value", "language", ("language", "qq"), sound),
                ("invalid_value", "languages", ("languages[]", "qq"), sound),
                ("invalid_value", "temperature", ("temperature", "1.1"), sound),
                ("invalid_value", "temperature", ("temperature", "nan"), sound),
                ("invalid_value", "prompt", ("prompt", "x" * 5000), sound),
                ("invalid_value", "chunking_strategy", ("chunking_strategy", "x"), sound),
                ("invalid_value", "model", ("model", "nano"), ("model", "nano"), sound),
                ("missing_required_parameter", "file", ("model", "nano")),
                ("invalid_value", "sound", file(self.talk, name="sound")),
                ("invalid_audio", "file", file(b"no sound at all")),
                ("invalid_audio", "file", file(b""))):
            error = self.refused(*parts)
            self.assertEqual((error["code"], error["param"]), (code, param), error)
        self.assertEqual(self.refused(("model", "x"), sound, status=404)["code"], "model_not_found")
        status, _, body = self.service.request("POST", TRANSCRIPTIONS, "{}",
                                               {"Content-Type": "application/json"})
        self.assertEqual((status, json.loads(body)["error"]["code"]), (415, "unsupported_media_type"))

    def test_hostile_J06_J07_fields(self):
        """Fields of forms are texts: each that is not what it should be is named, each at its ends works."""
        sound = file(recording([]))
        # Where it stands, what is refused, what is not.
        number = ("x", "1e400", "nan", "inf", "-inf", "0x1", "1,5", " 1", "1 ", "-1e-9")
        both = {"temperature": ((*number, "1.000001", "-1"), ("0", "1", "-0", "1e-40", "")),
                "response_format": (("x", "JSON"), ("", "json", "text", "srt", "vtt", "verbose_json")),
                "prompt": (("x" * 4097,), ("", "x" * 4096))}
        one = {"stream": (("x", "2", "yes"), ("false", "False", "")),
               "language": (("qq", "x" * 5000), ("es", "EN", "")),
               "languages[]": (("qq", ""), ("es",)), "keywords[]": (("", "x" * 65), ("x" * 64,)),
               "timestamp_granularities[]": (("x", "segment"), ()), "include[]": (("x", ""), ("logprobs",)),
               "chunking_strategy": (("x", "[]", "{", "{}", '{"type":1}', '{"type":"x"}',
                                      '{"type":"server_vad","threshold":1.1}',
                                      '{"type":"server_vad","threshold":1e400}',
                                      '{"type":"server_vad","silence_duration_ms":59}'),
                                     ("auto", '{"type":"server_vad"}',
                                      '{"type":"server_vad","threshold":0,"silence_duration_ms":60}'))}
        for path, fields in ((TRANSLATIONS, both), (TRANSCRIPTIONS, {**both, **one})):
            for name, (wrong, right) in fields.items():
                for value in wrong:
                    error = self.refused((name, value), sound, path=path)
                    self.assertIn(name.removesuffix("[]"), error["message"], (name, value))
                for value in right:
                    self.send((name, value), sound, path=path)
            for name in (*both, "model"):  # each but once
                self.assertIn(name, self.refused((name, "x"), (name, "x"), sound, path=path)["message"])
            for name in ("x", "../nano", "n" * 10240, "\x1b[2J"):
                error = self.refused(("model", name), sound, path=path, status=404)
                self.assertNotIn("\x1b", error["message"])
                self.assertLess(len(error["message"]), 200)
        self.assertIn("languages", self.refused(*[("languages[]", "es")] * 9, sound)["message"])
        beside = (("model", "nano"), ("language", "es"), ("temperature", "0"))
        self.send(*[("keywords[]", "x")] * 60, *beside, sound)
        self.assertIn("60", self.refused(*[("keywords[]", "x")] * 61, sound)["message"])
        self.assertIn("64 parts", self.refused(*[("keywords[]", "x")] * 64, sound, status=413)["message"])

    def test_hostile_U05(self):
        """A recording that says it is longer than six hours is refused before it is heard."""
        long = wav(bytes((6 * 3600 + 1) * 4000), rate=4000, bits=8)
        status, _, body = self.service.request("POST", TRANSCRIPTIONS, form(file(long)), HEADERS)
        self.assertEqual(status, 413, body)
        self.assertIn("21600 seconds", json.loads(body)["error"]["message"])

    def test_answers_go_on_beside_a_recording_and_it_ends_with_its_client(self):
        long = recording(sayings(), repeats=120)  # 25 minutes
        body = form(file(long), ("stream", "true"))
        expected = self.service.chat(user("What is 3 plus 4?"))["choices"][0]["message"]
        cancelled = self.service.metric("gemma3n_cancelled_total")
        with socket.create_connection(("127.0.0.1", self.service.port), timeout=60) as client:
            client.sendall(f"POST {TRANSCRIPTIONS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                           f"{HEADERS['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            back = b""
            while b"transcript.text.segment" not in back:
                back += client.recv(65536)
            heard = back.count(b"transcript.text.segment")
            for _ in range(5):
                answer = self.service.chat(user("What is 3 plus 4?"))
                self.assertEqual(answer["choices"][0]["message"], expected)
            while back.count(b"transcript.text.segment") <= heard:  # nor does the recording wait
                back += client.recv(65536)
            self.assertNotIn(b"transcript.text.done", back)
        deadline = time.monotonic() + 30
        while self.service.metric("gemma3n_active_requests") > 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.service.metric("gemma3n_active_requests"), 0)
        self.assertGreater(self.service.metric("gemma3n_cancelled_total"), cancelled)

    def test_a_recording_goes_on_while_many_ask(self):
        """Answers without end in all sessions but its own do not keep it from being heard."""
        with Service("--sessions", 1, "--answer-seconds", 0.2) as busy:
            stop = threading.Event()

            def ask():
                while not stop.is_set():
                    busy.post("/v1/chat/completions",
                              {"messages": [user("Hello!")], "logit_bias": WITHOUT_END})
            askers = [threading.Thread(target=ask) for _ in range(3)]
            for asker in askers:
                asker.start()
            try:
                status, _, body = busy.request("POST", TRANSCRIPTIONS, form(file(self.talk)), HEADERS)
            finally:
                stop.set()
                for asker in askers:
                    asker.join()
            self.assertEqual(status, 200, body)
            self.assertEqual(json.loads(body)["text"], " ".join(self.program().splitlines()))


class Uploads(unittest.TestCase):
    def test_hostile_H22(self):
        """What is no form is refused, and the server goes on (src/server/multipart_test.cc has all)."""
        with Service() as service:
            good = form(("model", "nano"), file(b"x"))
            for headers, body in (
                    ({"Content-Type": "multipart/form-data"}, good),
                    ({"Content-Type": "multipart/form-data; boundary=" + "b" * 10240}, good),
                    ({"Content-Type": "multipart/form-data; boundary=other"}, good),
                    (HEADERS, good[:-4]),
                    (HEADERS, form(file(b"x"), file(b"x"))),
                    (HEADERS, form(file(b"x", label="../../x"))),
                    (HEADERS, form(file(b"x", label="a\0b"))),
                    (HEADERS, form(*[("a", "1")] * 100))):
                status, _, answer = service.request("POST", TRANSCRIPTIONS, body, headers)
                self.assertIn(status, (400, 413, 431), answer)
            self.assertEqual(service.request("GET", "/health")[0], 200)

    def test_larger_than_a_body_in_memory_and_chunked(self):
        """A form of 80 MiB without a length."""
        with Service() as service:
            connection = service.connect()
            silence = np.zeros(40 << 20, np.int16)
            said = sayings()[0]
            silence[RATE:RATE + len(said)] = said
            body = form(file(wav(silence.tobytes())), ("response_format", "text"))
            pieces = (body[i:i + 1000003] for i in range(0, len(body), 1000003))
            connection.request("POST", TRANSCRIPTIONS, pieces,
                               {**HEADERS, "Transfer-Encoding": "chunked"}, encode_chunked=True)
            response = connection.getresponse()
            self.assertEqual((response.status, response.read()), (200, b"enciende la luz\n"))
            connection.close()


if __name__ == "__main__":
    unittest.main()
