// SPDX-License-Identifier: Apache-2.0
// OpenAI's Realtime client for JavaScript, both of its sockets, over TLS: realtime.mjs URL NANO
import OpenAI from "openai";
import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { WebSocket } from "ws";
import fs from "node:fs";
import assert from "node:assert/strict";
globalThis.WebSocket ??= WebSocket; // as browsers have it, and Node from version 22 on
const [url, nano] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "none" });

// The events of a session in the order they come.
function listen(session) {
  const events = [], waiting = [];
  const take = (event) => (waiting.length ? waiting.shift()(event) : events.push(event));
  session.on("event", take);
  session.on("error", (error) => { if (!error.error) take({ type: "failure", error }); });
  const next = () => (events.length ? events.shift() : new Promise((resolve) => waiting.push(resolve)));
  return async (...types) => {
    for (;;) {
      const event = await next();
      assert.notEqual(event.type, "failure", String(event.error));
      if (types.includes(event.type)) return event;
    }
  };
}

// A second and more of silence around what is said, at 24 kHz.
function spoken() {
  const wav = fs.readFileSync(`${nano}/examples/spanish.wav`).subarray(44);
  const count = wav.length / 2;
  const sound = Buffer.alloc(2 * (24000 + Math.floor(count * 1.5) + 24000));
  for (let i = 0; i < Math.floor(count * 1.5); ++i) {
    sound.writeInt16LE(wav.readInt16LE(2 * Math.floor(i / 1.5)), 2 * (24000 + i));
  }
  return sound;
}

const function_tool = { type: "function", name: "get_time", parameters: { type: "object",
  properties: { zone: { enum: ["Oslo", "Rome"] } }, required: ["zone"], additionalProperties: false } };

for (const Socket of [OpenAIRealtimeWebSocket, OpenAIRealtimeWS]) {
  const session = new Socket({ model: "nano" }, client);
  const until = listen(session);
  assert.equal((await until("session.created")).session.model, "nano");
  session.send({ type: "session.update", session: { type: "realtime", temperature: 0, output_modalities: ["text"],
    audio: { input: { format: { type: "audio/pcm", rate: 24000 }, transcription: { model: "whisper-1" } } } } });
  assert.deepEqual((await until("session.updated")).session.output_modalities, ["text"]);

  session.send({ type: "conversation.item.create", item: { type: "message", role: "user",
    content: [{ type: "input_text", text: "What is 3 plus 4?" }] } });
  session.send({ type: "response.create" });
  assert.equal((await until("response.output_text.done")).text, "7");
  assert.equal((await until("response.done")).response.status, "completed");

  const sound = spoken();
  for (let at = 0; at < sound.length; at += 9600) {
    session.send({ type: "input_audio_buffer.append", audio: sound.subarray(at, at + 9600).toString("base64") });
  }
  await until("input_audio_buffer.speech_started");
  await until("input_audio_buffer.committed");
  await until("response.done");

  session.send({ type: "conversation.item.create", item: { type: "message", role: "user",
    content: [{ type: "input_text", text: "Hello!" }] } });
  session.send({ type: "response.create", response: { tools: [function_tool], tool_choice: "required" } });
  const call = await until("response.function_call_arguments.done");
  assert.ok(["Oslo", "Rome"].includes(JSON.parse(call.arguments).zone));
  await until("response.done");

  session.send({ type: "session.update", session: { type: "realtime", output_modalities: ["audio"] } });
  assert.equal((await until("error")).error.code, "unsupported_value");
  session.close();
}

const secret = await client.realtime.clientSecrets.create({ session: { type: "realtime", instructions: "Be brief." } });
assert.ok(secret.value.startsWith("ek_"));
const page = new OpenAIRealtimeWebSocket({ model: "nano" }, new OpenAI({ baseURL: url + "/v1", apiKey: secret.value }));
assert.equal((await listen(page)("session.created")).session.instructions, "Be brief.");
page.close();
