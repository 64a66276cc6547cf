// SPDX-License-Identifier: Apache-2.0
// What the parts of the page share: the model's facts, the conversation that is shown, who wants to
// know of a change.
import { shortNumber } from './numbers.js';
import * as store from './store.js';
import { newConversation } from './tree.js';

export const state = {
  /** @type {any} facts of GET /page/info; null until they are there */
  info: null,
  /** @type {import('./tree.js').Conversation} */
  conversation: newConversation(store.setting('settings', {})),
  /** @type {{abort: AbortController, message: any}|null} the answer under way */
  answering: null,
};

const listeners = /** @type {Map<string, Set<(value: any) => void>>} */ (new Map());

/** @param {'info'|'conversation'|'message'|'conversations'|'answering'|'settings'} what */
export function on(what, listener) {
  if (!listeners.has(what)) listeners.set(what, new Set());
  listeners.get(what).add(listener);
}

export function tell(what, value = undefined) {
  for (const listener of listeners.get(what) ?? []) listener(value);
}

/** Keeps the conversation, once there is something in it. */
export async function keep(conversation = state.conversation) {
  if (conversation.messages.length === 0) return;
  await store.put('conversations', conversation);
  tell('conversations');
}

export function show(conversation) {
  state.conversation = conversation;
  store.keepSetting('shown', conversation.id);
  tell('conversation');
}

/** Settings are the conversation's, and the next new one begins with them. */
export function changeSettings(changes) {
  Object.assign(state.conversation.settings, changes);
  const { system, ...kept } = state.conversation.settings;
  store.keepSetting('settings', kept);
  void keep();
  tell('settings');
}

/** How a size is shown. @param {any} size one of info.sizes */
export function sizeLabel(size) {
  const parameters = shortNumber(size.effective_parameters);
  if (size.kind === 'full') return `full · ${parameters}`;
  if (size.kind === 'ladder') return `${parameters} · ${size.layers} layers`;
  return `${size.label} · ${parameters}`;
}
