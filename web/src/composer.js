// SPDX-License-Identifier: Apache-2.0
// The line that is typed into, the files that go with it, and how many tokens that will be.
import { post } from './api.js';
import { AttachmentList } from './attachments.js';
import { bodyOf } from './ask.js';
import { liveFrame, liveTokens } from './camera.js';
import { send, stop } from './chat.js';
import { announce, byId } from './dom.js';
import { claim, on, state, tellFull } from './state.js';
import * as store from './store.js';
import { path } from './tree.js';

const COUNT_MS = 350; // after the last key
let countTimer = 0;
let counting = 0;
let draftTimer = 0;
let waiting = false; // a question, for files that are being read
/** @type {AttachmentList} */
export let attachments;

const input = () => /** @type {HTMLTextAreaElement} */ (byId('prompt'));

function fit() {
  input().style.height = 'auto';
  input().style.height = `${Math.min(input().scrollHeight, window.innerHeight * 0.4)}px`;
}

/** How full the context is, with what is typed. */
function showContext(tokens) {
  const context = state.info?.context ?? 0;
  byId('context-bar').max = context || 1;
  byId('context-bar').value = Math.min(tokens, context);
  byId('context-text').textContent = context
    ? `${tokens.toLocaleString('en')} of ${context.toLocaleString('en')} tokens`
    : '';
  byId('context').classList.toggle('full', context > 0 && tokens >= context);
}

async function count() {
  const ours = ++counting;
  const shown = path(state.conversation);
  const draft = input().value;
  const media = [
    ...shown.flatMap((message) => message.attachments ?? []),
    ...attachments.good(),
  ].reduce((sum, one) => sum + (one.kind === 'text' ? 0 : (one.tokens ?? 0)), 0);
  const live = liveTokens();
  const asked = draft || attachments.entries.length > 0 || live > 0;
  const texts = attachments.good().filter((one) => one.kind === 'text');
  const messages = [...shown, { role: 'user', text: draft, attachments: texts }];
  try {
    const { system } = state.conversation.settings;
    const { tokens } = await post(
      '/page/count',
      await bodyOf(messages, { system }, { media: false }),
    );
    if (ours !== counting) return;
    showContext(tokens + media + live);
    byId('count').textContent = asked
      ? `${(await draftTokens(draft)) + attachments.tokens + live} tokens to send`
      : '';
  } catch (error) {
    if (ours !== counting) return;
    byId('count').textContent = error.code === 'context_length_exceeded' ? error.message : '';
  }
}

async function draftTokens(text) {
  return text ? (await post('/tokenize', { content: text })).tokens.length : 0;
}

/** Counts again soon. */
export function changed() {
  clearTimeout(countTimer);
  countTimer = window.setTimeout(count, COUNT_MS);
  clearTimeout(draftTimer);
  draftTimer = window.setTimeout(() => keepDraft(), 200);
  showButtons();
}

function keepDraft(id = state.conversation.id) {
  clearTimeout(draftTimer);
  const draft = { id, text: input().value, attachments: attachments.good() };
  if (draft.text || draft.attachments.length) return store.put('drafts', draft).catch(tellFull);
  return store.drop('drafts', draft.id);
}

async function showDraft() {
  const { id } = state.conversation;
  fit();
  const draft = await store.take('drafts', id);
  // What was typed meanwhile is newer.
  if (!draft || id !== state.conversation.id || input().value || attachments.entries.length) return;
  input().value = draft.text;
  attachments.set(draft.attachments);
  fit();
}

function showButtons() {
  const answering = state.answering !== null;
  byId('send').hidden = answering;
  byId('stop').hidden = !answering;
}

/**
 * Sends what is typed and attached, with the camera's newest frame where it is live.
 * @returns {Promise<import('./tree.js').Message|null>} the question; null: there was nothing to send
 */
export async function submit(extra = []) {
  const { conversation } = state;
  if (attachments.checking) {
    if (waiting && extra.length === 0) return null; // Enter, again
    waiting = true;
    byId('count').textContent = 'A file is still being read; the question goes then.';
    announce(byId('count').textContent);
    await attachments.checked();
    waiting = false;
    if (conversation !== state.conversation) return null;
  }
  const { id } = conversation;
  await claim(conversation);
  const frame = await liveFrame();
  if (conversation !== state.conversation) return null;
  const text = input().value.trim();
  const files = [...attachments.good(), ...(frame ? [frame] : []), ...extra];
  if (!text && files.length === 0) return null;
  input().value = '';
  attachments.sent();
  fit();
  void store.drop('drafts', id);
  const question = send(text, files);
  changed();
  return question;
}

export function startComposer() {
  attachments = new AttachmentList(byId('attachments'), changed);
  input().addEventListener('input', () => {
    fit();
    changed();
  });
  input().addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    void submit();
  });
  byId('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    void submit();
  });
  byId('stop').addEventListener('click', stop);
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && state.answering && !document.querySelector('dialog[open]'))
      stop();
  });
  byId('attach').addEventListener('click', () => byId('files').click());
  byId('files').addEventListener('change', (event) => {
    void attachments.addFiles(event.target.files);
    event.target.value = '';
  });
  let shown = '';
  on('conversation', () => {
    const left = shown;
    shown = state.conversation.id;
    if (left !== shown) {
      if (left) {
        void keepDraft(left);
        input().value = '';
        attachments.set([]);
      }
      void showDraft();
    }
    changed();
  });
  on('answering', () => {
    showButtons();
    if (!state.answering) changed();
  });
  on('settings', changed);
  on('info', changed);
}
