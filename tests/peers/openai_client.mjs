// SPDX-License-Identifier: Apache-2.0
// OpenAI's client for JavaScript against our server with the embedded model: openai_client.mjs URL NANO
import OpenAI from "openai";
import fs from "node:fs";
import assert from "node:assert/strict";
const [url, nano] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "none" });
const b64 = (name) => fs.readFileSync(`${nano}/eval/${name}`).toString("base64");
const user = (content) => [{ role: "user", content }];

const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert.deepEqual(models, ["nano"]);
assert.equal((await client.models.retrieve("nano")).id, "nano");

const whole = await client.chat.completions.create({ model: "nano", temperature: 0, messages: user("What is 3 plus 4?") });
assert.equal(whole.choices[0].message.content, "7");

let text = "", usage = null;
for await (const chunk of await client.chat.completions.create({ model: "nano", temperature: 0, stream: true,
  stream_options: { include_usage: true }, messages: user("Repeat: boat white Hugo") })) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(text, "boat white Hugo");
assert.ok(usage.completion_tokens > 0);

const runner = client.chat.completions.stream({ model: "nano", temperature: 0, logprobs: true, messages: user("Hello!") });
const final = await runner.finalChatCompletion();
assert.equal(final.choices[0].message.content, "Hello! How can I help?");
assert.ok(final.choices[0].logprobs.content.length > 0);

const seen = await client.chat.completions.create({ model: "nano", temperature: 0, messages: user([
  { type: "image_url", image_url: { url: "data:image/png;base64," + b64("pictures-0069.png"), detail: "auto" } },
  { type: "text", text: "What shape is yellow?" }]) });
assert.equal(seen.choices[0].message.content, "triangle");
const heard = await client.chat.completions.create({ model: "nano", temperature: 0, messages: user([
  { type: "input_audio", input_audio: { data: b64("speech new voices-0001.flac"), format: "wav" } },
  { type: "text", text: "Transcribe the following speech segment." }]) });
assert.equal(heard.choices[0].message.content, "traz a taça preta");

const completion = await client.completions.create({ model: "nano", prompt: "The fish is", temperature: 0 });
assert.equal(completion.object, "text_completion");
let completed = "";
for await (const part of await client.completions.create({ model: "nano", prompt: "The fish is", temperature: 0, stream: true })) {
  completed += part.choices[0].text;
}
assert.equal(completed, completion.choices[0].text);

const create = (body) => client.chat.completions.create({ model: "nano", messages: user("x"), ...body });
await assert.rejects(create({ model: "x" }), (error) => error instanceof OpenAI.NotFoundError
  && error.code === "model_not_found" && error.requestID?.length === 16);
await assert.rejects(create({ messages: [] }), OpenAI.BadRequestError);
await assert.rejects(create({ tools: [{ type: "function", function: { name: "f" } }] }),
  (error) => error.code === "unsupported_value" && error.param === "tools");
await assert.rejects(client.embeddings.create({ model: "nano", input: "x" }), OpenAI.NotFoundError);

// Aborted in the middle: the server goes on for the next one.
const endless = await client.chat.completions.create({ model: "nano", stream: true, messages: user("Hello!"),
  max_tokens: 2000, logit_bias: { 1: -100, 7: -100 } });
for await (const chunk of endless) {
  assert.equal(chunk.object, "chat.completion.chunk");
  endless.controller.abort();
  break;
}
const after = await client.chat.completions.create({ model: "nano", temperature: 0, messages: user("What is 3 plus 4?") });
assert.equal(after.choices[0].message.content, "7");
