# SPDX-License-Identifier: Apache-2.0
"""OpenAI's and Google's clients for Python in live sessions, over TLS with our own certificate."""
import asyncio
import base64
import os
import pathlib
import subprocess
import wave

import numpy as np
import openai
import pytest
from google import genai

HERE = pathlib.Path(__file__).resolve().parent
NANO = HERE.parent.parent / "models/nano"
GEMMA3N = os.environ.get("GEMMA3N", HERE.parent.parent / "build/release/bin/gemma3n")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    server = subprocess.Popen([str(GEMMA3N), "serve", "-m", str(NANO), "--port", "0", "--quiet", "--tls",
                               "--state-directory", str(state)], stdout=subprocess.PIPE)
    lines = []
    while not lines or not lines[-1].startswith("Ctrl-C"):
        lines.append(server.stdout.readline().decode())
        assert lines[-1]
    os.environ["SSL_CERT_FILE"] = str(state / "tls.pem")
    yield lines[1].split()[1].removesuffix("/")
    del os.environ["SSL_CERT_FILE"]
    server.terminate()
    assert server.wait(30) == 0


def spoken(rate):
    """What somebody says, between silences."""
    with wave.open(str(NANO / "examples/spanish.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    count = len(samples) * rate // 16000
    said = np.interp(np.arange(count) * 16000 / rate, np.arange(len(samples)), samples)
    return np.concatenate([np.zeros(rate), said, np.zeros(rate)]).astype("<i2").tobytes()


def test_openai(url):
    client = openai.OpenAI(base_url=url + "/v1", api_key="none")
    with client.realtime.connect(model="nano") as connection:
        def until(kind):
            for event in connection:
                assert event.type != "error", event
                if event.type == kind:
                    return event
        connection.session.update(session={"type": "realtime", "output_modalities": ["text"], "audio": {
            "input": {"transcription": {"model": "whisper-1"}}}})
        assert until("session.updated").session.output_modalities == ["text"]
        connection.conversation.item.create(item={"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "What is 3 plus 4?"}]})
        connection.response.create()
        assert until("response.output_text.done").text
        assert until("response.done").response.status == "completed"
        sound = spoken(24000)
        for at in range(0, len(sound), 9600):
            connection.input_audio_buffer.append(audio=base64.b64encode(sound[at:at + 9600]).decode())
        assert until("input_audio_buffer.speech_started").audio_start_ms > 0
        assert until("conversation.item.input_audio_transcription.completed").transcript


def test_genai(url):
    async def talk():
        client = genai.Client(api_key="none", http_options={"base_url": url})
        config = {"response_modalities": ["TEXT"], "temperature": 0, "input_audio_transcription": {},
                  "system_instruction": "Answer briefly."}
        async with client.aio.live.connect(model="nano", config=config) as session:
            await session.send_client_content(turns={"role": "user", "parts": [{"text": "What is 3 plus 4?"}]})
            text = "".join([message.text or "" async for message in session.receive()])
            assert text
            await session.send_realtime_input(audio={"data": spoken(16000), "mime_type": "audio/pcm;rate=16000"})
            heard = [message.server_content.input_transcription async for message in session.receive()
                     if message.server_content and message.server_content.input_transcription]
            await session.send_realtime_input(text="Hello!")
            heard += [message.server_content.input_transcription async for message in session.receive()
                      if message.server_content and message.server_content.input_transcription]
            assert heard[0].text
    asyncio.run(talk())
