// SPDX-License-Identifier: Apache-2.0
// A conversation as a tree: an edited question and a second answer are branches beside the first
// ones. One path through it is shown.

/**
 * @typedef {{kind: 'image'|'audio'|'video'|'text', name: string, type: string, blob: Blob,
 *   tokens?: number}} Attachment
 * @typedef {{id: string, parent: string|null, role: 'user'|'assistant', text: string,
 *   attachments?: Attachment[], size?: string, usage?: any, timings?: any, firstWordMs?: number,
 *   finish?: string, error?: {code: string, message: string, details?: string},
 *   at: number}} Message
 * @typedef {{id: string, title: string, titled?: boolean, created: number, updated: number,
 *   messages: Message[], chosen: Record<string, string>, settings: any}} Conversation
 */

let counter = 0;
/** An id that no other conversation or message has. */
export function newId() {
  counter += 1;
  return `${Date.now().toString(36)}-${counter}-${Math.random().toString(36).slice(2, 8)}`;
}

/** @returns {Conversation} */
export function newConversation(settings = {}) {
  const now = Date.now();
  return {
    id: newId(),
    title: 'New conversation',
    created: now,
    updated: now,
    messages: [],
    chosen: {},
    settings,
  };
}

const ROOT = '';

/** The messages that answer `parent`, oldest first. @param {Conversation} conversation */
export function children(conversation, parent) {
  return conversation.messages.filter((message) => message.parent === parent);
}

/** The one of them that is shown: the chosen, else the newest. */
function shownChild(conversation, parent) {
  const all = children(conversation, parent);
  const chosen = conversation.chosen[parent ?? ROOT];
  return all.find((message) => message.id === chosen) ?? all[all.length - 1];
}

/** The path that is shown, from the first message on. @returns {Message[]} */
export function path(conversation) {
  const shown = [];
  for (let next = shownChild(conversation, null); next; next = shownChild(conversation, next.id))
    shown.push(next);
  return shown;
}

/** The messages from the first one to this, itself last. @returns {Message[]} */
export function pathTo(conversation, id) {
  const byId = new Map(conversation.messages.map((message) => [message.id, message]));
  const way = [];
  for (let at = byId.get(id); at; at = byId.get(at.parent)) way.unshift(at);
  return way;
}

/** Adds a message below `parent` and shows it. @returns {Message} */
export function add(conversation, parent, fields) {
  const message = { id: newId(), parent, at: Date.now(), text: '', ...fields };
  conversation.messages.push(message);
  conversation.chosen[parent ?? ROOT] = message.id;
  conversation.updated = message.at;
  return message;
}

/** Which of its siblings a message is: {index, count}. */
export function branch(conversation, message) {
  const all = children(conversation, message.parent);
  return { index: all.indexOf(message), count: all.length };
}

/** Shows the sibling `step` further on, if there is one. */
export function turn(conversation, message, step) {
  const all = children(conversation, message.parent);
  const next = all[all.indexOf(message) + step];
  if (next) conversation.chosen[message.parent ?? ROOT] = next.id;
  return next ?? message;
}

const removed = /** @type {Set<string>} */ (new Set());
/** Takes a message away, and all that follows it. */
export function remove(conversation, id) {
  const gone = new Set([id]);
  for (const message of conversation.messages) if (gone.has(message.parent)) gone.add(message.id);
  for (const one of gone) removed.add(one);
  conversation.messages = conversation.messages.filter((message) => !gone.has(message.id));
}

/**
 * Takes over what another tab has kept of the same conversation. Messages of ours stay the objects
 * that they are.
 * @param {Conversation} ours @param {Conversation} kept @returns {boolean} whether there was something
 */
export function merge(ours, kept) {
  const own = new Map(ours.messages.map((message) => [message.id, message]));
  const asked = new Set(kept.messages.map((message) => message.parent));
  let came = false;
  const messages = [];
  for (const message of kept.messages) {
    const mine = own.get(message.id);
    own.delete(message.id);
    if (!mine && removed.has(message.id) && !asked.has(message.id)) continue;
    const longer = mine && message.text.length > mine.text.length; // texts only grow
    if (longer) Object.assign(mine, message);
    else if (mine) Object.assign(mine, { ...message, ...mine });
    came ||= !mine || longer;
    messages.push(mine ?? message);
  }
  ours.messages = [...messages, ...own.values()]; // parents stand first in both
  ours.chosen = { ...kept.chosen, ...ours.chosen };
  if (kept.titled && !ours.titled) Object.assign(ours, { title: kept.title, titled: true });
  return came;
}

/** A title from the first words of somebody's question. */
export function titleFrom(text, attachments = []) {
  const line = text.trim().split('\n')[0].trim();
  if (!line) return attachments.length ? attachments[0].name : 'New conversation';
  return line.length <= 60 ? line : line.slice(0, 57).replace(/\s+\S*$/, '') + ' …';
}
