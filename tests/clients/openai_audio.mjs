// SPDX-License-Identifier: Apache-2.0
// OpenAI's client for JavaScript: recordings, embeddings, files. openai_audio.mjs URL NANO
import OpenAI, { toFile } from "openai";
import fs from "node:fs";
import assert from "node:assert/strict";
const [url, nano] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "none", maxRetries: 0 });
const spanish = () => fs.createReadStream(`${nano}/examples/spanish.wav`);
const transcribe = (body) => client.audio.transcriptions.create({ model: "nano", file: spanish(), ...body });
const said = "enciende la luz";

// All formats; a file as a stream, which comes chunked, and as bytes.
const whole = await transcribe({});
assert.equal(whole.text, said);
assert.equal(whole.usage.total_tokens, whole.usage.input_tokens + whole.usage.output_tokens);
assert.equal(await transcribe({ response_format: "text" }), said + "\n");
assert.match(await transcribe({ response_format: "srt" }), /^1\n00:00:00,\d{3} --> 00:00:01,\d{3}\nenciende la luz\n\n$/);
assert.match(await transcribe({ response_format: "vtt" }), /^WEBVTT\n\n00:00:00\.\d{3} --> /);
const verbose = await transcribe({ response_format: "verbose_json", timestamp_granularities: ["segment"], language: "es" });
assert.ok(verbose.segments[0].text.startsWith(" " + said));
assert.equal(verbose.language, "spanish");
const scored = await transcribe({ include: ["logprobs"], temperature: 0, prompt: "", chunking_strategy: "auto" });
assert.equal(scored.logprobs.map((one) => one.token).join("").trim(), said);
const bytes = await toFile(fs.readFileSync(`${nano}/examples/spanish.wav`), "spanish.wav");
assert.equal((await transcribe({ file: bytes, chunking_strategy: { type: "server_vad", silence_duration_ms: 500 } })).text, said);

let streamed = "", done = null;
for await (const event of await transcribe({ stream: true })) {
  if (event.type === "transcript.text.delta") streamed += event.delta;
  if (event.type === "transcript.text.done") done = event;
}
assert.equal(streamed, said);
assert.equal(done.text, said);
assert.equal((await client.audio.translations.create({ model: "nano", file: spanish() })).text, "turn on the light");

await assert.rejects(transcribe({ response_format: "diarized_json" }),
  (error) => error instanceof OpenAI.BadRequestError && error.code === "unsupported_value" && error.param === "response_format");
await assert.rejects(transcribe({ file: await toFile(Buffer.from("no sound"), "x.wav") }), (error) => error.code === "invalid_audio");

// The client asks for base64 by itself and gives numbers.
const embedded = await client.embeddings.create({ model: "nano", input: ["red apple", "green apple"] });
const plain = await client.embeddings.create({ model: "nano", input: "red apple", encoding_format: "float" });
assert.equal(embedded.data.length, 2);
assert.deepEqual(embedded.data[0].embedding, plain.data[0].embedding.map(Math.fround));
assert.ok(Math.abs(embedded.data[1].embedding.reduce((sum, x) => sum + x * x, 0) - 1) < 1e-5);
assert.equal((await client.embeddings.create({ model: "nano", input: "x", dimensions: 8 })).data[0].embedding.length, 8);

const file = await client.files.create({ file: spanish(), purpose: "user_data" });
assert.equal(file.filename, "spanish.wav");
assert.equal((await client.files.retrieve(file.id)).bytes, file.bytes);
const kept = Buffer.from(await (await client.files.content(file.id)).arrayBuffer());
assert.ok(kept.equals(fs.readFileSync(`${nano}/examples/spanish.wav`)));
const listed = [];
for await (const one of client.files.list()) listed.push(one.id);
assert.ok(listed.includes(file.id));
assert.equal((await client.files.delete(file.id)).deleted, true);
await assert.rejects(client.files.retrieve(file.id), OpenAI.NotFoundError);
