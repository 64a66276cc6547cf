// SPDX-License-Identifier: Apache-2.0
// Google's GenAI client for JavaScript in live sessions, with a key: live.mjs URL NANO KEY PACKAGE
import fs from "node:fs";
import assert from "node:assert/strict";
const [url, nano, key, version] = process.argv.slice(2);
const { ActivityHandling, GoogleGenAI, Modality, Type } = await import(version);
const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } });

// A session, and a function that gives the messages of its next turn.
async function open(config) {
  const messages = [], waiting = [];
  const take = (message) => (waiting.length ? waiting.shift()(message) : messages.push(message));
  const session = await client.live.connect({ model: "nano",
    config: { responseModalities: [Modality.TEXT], temperature: 0, ...config },
    callbacks: { onmessage: take, onclose: (event) => take({ closed: event }), onerror: (error) => take({ closed: error }) } });
  const next = () => (messages.length ? messages.shift() : new Promise((resolve) => waiting.push(resolve)));
  const until = async (is) => {
    const found = [await next()];
    while (!is(found.at(-1))) {
      assert.equal(found.at(-1).closed, undefined, String(found.at(-1).closed?.reason));
      found.push(await next());
    }
    return found;
  };
  return { session, until, turn: () => until((message) => message.serverContent?.turnComplete) };
}
const text = (messages) => messages.map((message) => message.text ?? "").join("");

const { session, until, turn } = await open({ inputAudioTranscription: {}, sessionResumption: {},
  realtimeInputConfig: { activityHandling: ActivityHandling.START_OF_ACTIVITY_INTERRUPTS,
    automaticActivityDetection: { silenceDurationMs: 400 } } });
session.sendClientContent({ turns: "What is 3 plus 4?" });
const first = await turn();
assert.equal(text(first), "7");
assert.ok(first.at(-1).usageMetadata.responseTokenCount > 0);
const [handle] = (await until((message) => message.sessionResumptionUpdate?.newHandle)).slice(-1);

const wav = fs.readFileSync(`${nano}/examples/spanish.wav`).subarray(44);
for (const data of [wav, Buffer.alloc(32000)]) {
  session.sendRealtimeInput({ audio: { data: data.toString("base64"), mimeType: "audio/pcm;rate=16000" } });
}
const heard = await until((message) => message.serverContent?.inputTranscription?.text.length > 5);
if (!heard.some((message) => message.serverContent?.turnComplete)) await turn();

const picture = fs.readFileSync(`${nano}/eval/pictures-0069.png`).toString("base64");
session.sendClientContent({ turns: [{ role: "user", parts: [{ inlineData: { data: picture, mimeType: "image/png" } },
  { text: "What shape is yellow?" }] }] });
assert.equal(text(await turn()), "triangle");
session.close();

const again = await open({ sessionResumption: { handle: handle.sessionResumptionUpdate.newHandle } });
again.session.sendClientContent({ turns: "What is 5 plus 1?" });
assert.ok((await again.turn()).at(-1).usageMetadata.promptTokenCount > first.at(-1).usageMetadata.promptTokenCount);
again.session.close();

// nano knows nothing of functions: with some seeds it writes a call, with others the form.
let calls = 0;
for (let seed = 0; seed < 60 && calls === 0; ++seed) {
  const { session, until } = await open({ tools: [{ functionDeclarations: [{ name: "get_time",
    parameters: { type: Type.OBJECT, properties: { zone: { type: Type.STRING, maxLength: "12" } }, required: ["zone"] } }] }],
  generationConfig: { temperature: 2, seed, maxOutputTokens: 60, responseMimeType: "application/json", responseModalities: [Modality.TEXT],
    responseJsonSchema: { type: "object", properties: { n: { const: 5 } }, required: ["n"] } }, temperature: undefined });
  session.sendClientContent({ turns: "What is the time?" });
  for (let answers = 0; answers < 8; ++answers) {
    const last = (await until((message) => message.toolCall || message.serverContent?.turnComplete)).at(-1);
    if (!last.toolCall) break;
    calls += last.toolCall.functionCalls.length;
    session.sendToolResponse({ functionResponses: last.toolCall.functionCalls.map(({ id, name, args }) => {
      assert.deepEqual([name, typeof args.zone], ["get_time", "string"]);
      return { id, name, response: { output: "12:00" } };
    }) });
  }
  session.close();
}
assert.ok(calls > 0);

const refused = new Promise((resolve) => client.live.connect({ model: "nano",
  config: { responseModalities: [Modality.AUDIO] },
  callbacks: { onmessage: () => {}, onclose: (event) => resolve([event.code, event.reason]) } }));
const [code, reason] = await refused;
assert.equal(code, 1007);
assert.match(reason, /TEXT/);
process.exit(0); // the client waits for the session that was refused
