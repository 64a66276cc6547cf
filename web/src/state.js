// SPDX-License-Identifier: Apache-2.0
// What the parts of the page share: the model's facts, the conversation that is shown, who wants to
// know of a change.
import { notice } from './error_box.js';
import { shortNumber } from './numbers.js';
import * as store from './store.js';
import { merge, newConversation, newId } from './tree.js';

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

const deleted = /** @type {Set<string>} */ (new Set());

/** Keeps the conversation, once there is something in it; what other tabs have added stays. */
export async function keep(conversation = state.conversation) {
  const { id } = conversation;
  if (conversation.messages.length === 0 || deleted.has(id)) return;
  let came = false;
  const ours = conversation === state.conversation;
  if (ours) store.keepSetting('shown', id);
  try {
    await store.update('conversations', id, (kept) => {
      came = kept !== undefined && merge(conversation, kept);
      return conversation;
    });
  } catch (error) {
    tellFull(error);
  }
  if (came && ours) tell('conversation');
  tell('conversations');
}

let full = false;
/** Says once that this browser keeps no more. */
export function tellFull(error) {
  if (full) return;
  full = true;
  notice({
    code: error?.name ?? 'not_kept',
    message:
      'This browser has no room for more: what is said from here on is gone with this page. ' +
      'Delete conversations, or export this one.',
    details: `${error?.name}: ${error?.message}`,
  });
}

/** Deletes a conversation, also from under the answer that is being written into it. */
export async function forget(id) {
  deleted.add(id);
  await store.drop('conversations', id);
  await store.drop('drafts', id);
}

/**
 * The id of the conversation in which nothing was sent yet. There is one of them, so that what was
 * typed is found again.
 * @param {(id: string) => boolean} taken whether a conversation has it by now
 */
export function begunId(taken) {
  const begun = store.setting('begun', '');
  if (typeof begun === 'string' && begun && !taken(begun) && !deleted.has(begun)) return begun;
  const id = newId();
  store.keepSetting('begun', id);
  return id;
}

/** Before the first message: another tab may have begun the same conversation, and sent. */
export async function claim(conversation) {
  if (conversation.messages.length > 0) return;
  if (await store.take('conversations', conversation.id).catch(() => null))
    conversation.id = newId();
}

export function show(conversation) {
  state.conversation = conversation;
  store.keepSetting('shown', conversation.id);
  tell('conversation');
}

/** Settings are the conversation's, and the next new one begins with them. */
export function changeSettings(changes) {
  if ('size' in changes) changes = { ...changes, model: state.info?.model };
  Object.assign(state.conversation.settings, changes);
  const { system, ...kept } = state.conversation.settings;
  store.keepSetting('settings', kept);
  void keep();
  tell('settings');
}

/** The size that was chosen, unless that was for another model. @param {any} settings */
export const sizeOf = ({ size, model }) =>
  model && state.info && model !== state.info.model ? undefined : size;

/** How a size is shown. @param {any} size one of info.sizes */
export function sizeLabel(size) {
  const parameters = shortNumber(size.effective_parameters);
  if (size.kind === 'full') return `full · ${parameters}`;
  if (size.kind === 'ladder') return `${parameters} · ${size.layers} layers`;
  return `${size.label} · ${parameters}`;
}
