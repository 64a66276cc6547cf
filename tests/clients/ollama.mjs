// SPDX-License-Identifier: Apache-2.0
// Ollama's client against a server with the embedded model: `node ollama.mjs URL MODEL_DIRECTORY`.
// The server runs with --allow-model-management.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Ollama } from "ollama";
import { gone, isLeft } from "./left.mjs";

const [url, nano] = process.argv.slice(2);
const client = new Ollama({ host: url });
const file = (name) => readFileSync(`${nano}/eval/${name}`);
const b64 = (name) => file(name).toString("base64");
const options = { temperature: 0 };
const user = (content, images) => [{ role: "user", content, ...(images ? { images } : {}) }];
const chat = (messages, more = {}) => client.chat({ model: "nano", messages, options, ...more });
const rejects = (promise, status, text) => assert.rejects(promise, (error) =>
  error.name === "ResponseError" && error.status_code === status && error.message.includes(text));

assert.match((await client.version()).version, /^\d+\.\d+\.\d+$/);
const listed = (await client.list()).models;
assert.equal(listed[0].name, "nano:latest");
assert.ok(listed[0].size > 0 && listed[0].details.families.includes("gemma3n"));
assert.equal((await client.ps()).models[0].name, "nano:latest");
const shown = await client.show({ model: "nano" });
assert.equal(shown.model_info["general.architecture"], "gemma3n");
assert.ok(shown.capabilities.includes("vision"));

const whole = await chat(user("What is 3 plus 4?"));
assert.equal(whole.message.content, "7");
assert.equal(whole.done_reason, "stop");
assert.ok(whole.eval_count > 0 && whole.total_duration > 0);

let text = "", last = null, parts = 0;
for await (const part of await chat(user("Repeat: boat white Hugo"), { stream: true })) {
  text += part.message.content;
  last = part;
  parts += 1;
}
assert.equal(text, "boat white Hugo");
assert.ok(last.done && last.eval_count > 0 && parts > 3);

const generated = await client.generate({ model: "nano", prompt: "What is 3 plus 4?", options });
assert.equal(generated.response, "7");
text = "";
for await (const part of await client.generate({ model: "nano", prompt: "Repeat: boat white Hugo", stream: true, options })) {
  text += part.response;
}
assert.equal(text, "boat white Hugo");

for (const image of [b64("pictures-0069.png"), new Uint8Array(file("pictures-0069.png"))]) {
  assert.equal((await chat(user("What shape is yellow?", [image]))).message.content, "triangle");
}
assert.equal((await client.generate({ model: "nano", prompt: "Transcribe the following speech segment.", options,
  images: [b64("speech new voices-0001.flac")] })).response, "traz a taça preta");

const schema = { type: "object", properties: { n: { type: "integer", minimum: 1, maximum: 9 } }, required: ["n"],
  additionalProperties: false };
const held = JSON.parse((await chat(user("Hello!"), { format: schema })).message.content);
assert.ok(held.n >= 1 && held.n <= 9);

const tools = [{ type: "function", function: { name: "get_weather", description: "Weather of a city", parameters: {
  type: "object", properties: { city: { type: "string", maxLength: 12 } }, required: ["city"] } } }];
const called = await chat([...user("What is the weather in Oslo?"),
  { role: "assistant", content: "", tool_calls: [{ function: { name: "get_weather", arguments: { city: "Oslo" } } }] },
  { role: "tool", content: "rain", tool_name: "get_weather" }], { tools });
assert.equal(called.message.role, "assistant");

// With some seeds nano writes a call, with others the form.
const five = { type: "object", properties: { n: { const: 5 } }, required: ["n"] };
let calls = 0;
for (let seed = 0; seed < 30 && calls === 0; ++seed) {
  const asked = { tools, format: five, options: { temperature: 2, seed, num_predict: 60 } };
  const functions = ((await chat(user("What is the weather in Oslo?"), asked)).message.tool_calls ?? [])
    .map((call) => call.function);
  const streamed = [];
  for await (const part of await chat(user("What is the weather in Oslo?"), { ...asked, stream: true })) {
    streamed.push(...(part.message.tool_calls ?? []).map((call) => call.function));
  }
  assert.deepEqual(streamed, functions);
  for (const { name, arguments: given } of functions) assert.deepEqual([name, typeof given.city], ["get_weather", "string"]);
  calls += functions.length;
}
assert.ok(calls > 0);

const chosen = await chat(user("Hello!"), { logprobs: true, top_logprobs: 2 });
assert.equal(chosen.logprobs[0].top_logprobs.length, 2);

const embedded = await client.embed({ model: "nano", input: ["red apple", "green apple"] });
assert.equal(embedded.embeddings.length, 2);
assert.equal((await client.embeddings({ model: "nano", prompt: "red apple" })).embedding.length, embedded.embeddings[0].length);

await rejects(chat(user("x"), { model: "x" }), 404, "model 'x' not found");
await rejects(chat(user("x"), { format: { type: "strange" } }), 400, "invalid format");
await rejects(chat(user("x", ["AAAA"])), 400, "expected a picture, a sound or a film");
await rejects(client.pull({ model: "llama3" }), 501, "not supported");
await rejects((async () => {
  for await (const part of await client.pull({ model: "llama3", stream: true })) assert.fail(part.status);
})(), 501, "not supported");
await rejects(chat(user("x"), { think: true }), 400, "does not support thinking");

await client.create({ model: "mario", from: "nano", system: "You are Mario.", parameters: { temperature: 0 } });
let statuses = [];
for await (const part of await client.create({ model: "luigi", from: "mario", stream: true })) statuses.push(part.status);
assert.equal(statuses.at(-1), "success");
await client.copy({ source: "mario", destination: "toad" });
assert.deepEqual((await client.list()).models.map((model) => model.name),
  ["nano:latest", "luigi:latest", "mario:latest", "toad:latest"]);
for (const model of ["mario", "luigi", "toad"]) assert.equal((await client.delete({ model })).status, "success");

// Aborted in the middle: the server goes on for the next one.
const left = await gone(url);
const endless = await client.generate({ model: "nano", prompt: "The fish is", raw: true, stream: true,
  options: { num_predict: 1500 }, format: { type: "array", items: { type: "integer" }, minItems: 500 } });
await assert.rejects(async () => {
  for await (const part of endless) {
    assert.equal(part.done, false);
    client.abort();
  }
}, (error) => error.name === "AbortError");
await isLeft(url, left);
assert.equal((await chat(user("What is 3 plus 4?"))).message.content, "7");
