// SPDX-License-Identifier: Apache-2.0
// Conversations as files: JSON that can be read in again, Markdown to read.
import { NUMBERS } from './numbers.js';
import { newId, path } from './tree.js';

const FORMAT = 'gemma3n conversation 1';
const KINDS = ['image', 'audio', 'video', 'text'];

/** @param {Blob} blob @returns {Promise<string>} "data:image/png;base64,..." */
export async function dataUri(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x8000)
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return `data:${blob.type || 'application/octet-stream'};base64,${btoa(text)}`;
}

/** @param {string} uri @returns {Blob} */
export function blobOf(uri) {
  const found = /^data:([\w.+-]+\/[\w.+-]+)?(?:;[\w=.+-]+)*;base64,([A-Za-z0-9+/]*={0,2})$/.exec(
    uri,
  );
  if (!found) throw new Error('expected data:TYPE;base64,...');
  return new Blob([Uint8Array.from(atob(found[2]), (c) => c.charCodeAt(0))], {
    type: found[1] ?? '',
  });
}

/** @param {import('./tree.js').Conversation[]} conversations */
export async function toJson(conversations) {
  const out = [];
  for (const conversation of conversations) {
    const messages = [];
    for (const message of conversation.messages) {
      const attachments = [];
      for (const one of message.attachments ?? []) {
        attachments.push({
          kind: one.kind,
          name: one.name,
          type: one.type,
          tokens: one.tokens,
          data: await dataUri(one.blob),
        });
      }
      messages.push({ ...message, attachments });
    }
    out.push({ ...conversation, messages });
  }
  return JSON.stringify({ format: FORMAT, conversations: out }, null, 1);
}

const text = (value, most = 1e7) => {
  if (typeof value !== 'string' || value.length > most) throw new Error('expected a text');
  return value;
};
const list = (value) => {
  if (!Array.isArray(value)) throw new Error('expected a list');
  return value;
};
const number = (value) => (Number.isFinite(value) ? value : Date.now());

const isNumber = Number.isFinite;
const isText = (value) => typeof value === 'string';
const USAGE = {
  prompt_tokens: isNumber,
  completion_tokens: isNumber,
  prompt_tokens_details: { cached_tokens: isNumber },
};
const TIMINGS = {
  decode_tps: isNumber,
  prefill_tps: isNumber,
  media_ms: isNumber,
  queue_ms: isNumber,
};
const MESSAGE = {
  usage: USAGE,
  timings: TIMINGS,
  error: { code: isText, message: isText, details: isText },
  firstWordMs: isNumber,
  size: isText,
  sizeLabel: isText,
  finish: isText,
  transcript: isText,
};
const SETTINGS = {
  system: isText,
  size: isText,
  model: isText,
  aloud: (value) => typeof value === 'boolean',
  ...Object.fromEntries(NUMBERS.map((name) => [name, isNumber])),
  stop: (value) => Array.isArray(value) && value.every(isText),
  detail: (value) => ['auto', 'low', 'high'].includes(value),
};

/** Of what was found only what is known, and of its type. */
function known(found, shape) {
  const out = {};
  for (const [key, good] of Object.entries(shape)) {
    const value = found?.[key];
    if (value === undefined || value === null) continue;
    if (typeof good === 'function') {
      if (good(value)) out[key] = value;
    } else if (typeof value === 'object') out[key] = known(value, good);
  }
  return out;
}

function messageFrom(found) {
  if (!['user', 'assistant'].includes(found?.role))
    throw new Error('a message has neither role user nor assistant');
  const message = {
    id: text(found.id, 100),
    parent: found.parent === null ? null : text(found.parent, 100),
    role: found.role,
    text: text(found.text),
    at: number(found.at),
  };
  const attachments = list(found.attachments ?? []).map((one) => {
    if (!KINDS.includes(one?.kind)) throw new Error('an attachment of an unknown kind');
    return {
      kind: one.kind,
      name: text(one.name, 1000),
      type: text(one.type, 200),
      tokens: Number.isFinite(one.tokens) ? one.tokens : undefined,
      blob: blobOf(text(one.data, 2e8)),
    };
  });
  if (attachments.length) message.attachments = attachments;
  return { ...message, ...known(found, MESSAGE) };
}

/**
 * Reads what toJson wrote; nothing of it is trusted. Ids of conversations are made anew, so that an
 * import never overwrites one.
 * @param {string} json @returns {import('./tree.js').Conversation[]}
 */
export function fromJson(json) {
  let found;
  try {
    found = JSON.parse(json);
  } catch {
    throw new Error('it is no JSON');
  }
  if (found?.format !== FORMAT || !Array.isArray(found.conversations))
    throw new Error(`expected "format": "${FORMAT}"`);
  return found.conversations.map((one) => {
    const messages = list(one?.messages).map(messageFrom);
    const ids = new Set(messages.map((message) => message.id));
    if (ids.size !== messages.length) throw new Error('two messages have one id');
    const seen = new Set([null]);
    for (const message of messages) {
      // parents stand first, so there is no circle
      if (!seen.has(message.parent)) throw new Error('a message whose question is missing');
      seen.add(message.id);
    }
    const chosen = {};
    for (const [parent, child] of Object.entries(one.chosen ?? {}))
      if (ids.has(child)) chosen[parent] = child;
    return {
      id: newId(),
      title: text(one.title, 500),
      titled: true,
      created: number(one.created),
      updated: number(one.updated),
      messages,
      chosen,
      settings: known(one.settings, SETTINGS),
    };
  });
}

/** The path that is shown, to read. @param {import('./tree.js').Conversation} conversation */
export function toMarkdown(conversation) {
  const parts = [`# ${conversation.title}`];
  if (conversation.settings.system) parts.push(`*System:* ${conversation.settings.system}`);
  for (const message of path(conversation)) {
    const media = (message.attachments ?? [])
      .map((one) => `*[${one.kind}: ${one.name}]*`)
      .join('\n');
    parts.push(
      `## ${message.role === 'user' ? 'You' : 'Answer'}`,
      ...(media ? [media] : []),
      message.text,
    );
  }
  return parts.join('\n\n') + '\n';
}

/** A name of a file that says what it is of. */
export function fileName(title, ending) {
  return `${
    title
      .replace(/[^\p{L}\p{N}]+/gu, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 60) || 'conversation'
  }.${ending}`;
}
