// SPDX-License-Identifier: Apache-2.0
// What can be done to a conversation: send, stop, retry, edit. One answer is under way at a time.
import { answerInto, bodyOf } from './ask.js';
import { announce } from './dom.js';
import { untilAnswered } from './insist.js';
import { keep, sizeLabel, sizeOf, state, tell } from './state.js';
import * as store from './store.js';
import * as tree from './tree.js';

const KEEP_MS = 2000; // between two looks at an answer under way that are kept

/**
 * Sends a question below the last message that is shown, or below `parent`; the answer comes later.
 * @returns {import('./tree.js').Message} the question
 */
export function send(text, attachments, parent = undefined) {
  const { conversation } = state;
  const shown = tree.path(conversation);
  if (parent === undefined) parent = shown.length ? shown[shown.length - 1].id : null;
  const question = tree.add(conversation, parent, { role: 'user', text, attachments });
  if (conversation.messages.length === 1 && !conversation.titled)
    conversation.title = tree.titleFrom(text, attachments);
  void answer(question);
  return question;
}

/** Another answer to the same question, as a branch beside the first. */
export function retry(message) {
  stop();
  const { conversation } = state;
  const way = tree.pathTo(conversation, message.id);
  const question = message.role === 'user' ? message : way[way.length - 2];
  if (message.role === 'assistant' && message.error && !message.text)
    tree.remove(conversation, message.id);
  void answer(question);
}

/** The question in other words, as a branch beside the first. */
export function edit(message, text, attachments) {
  stop();
  send(text, attachments, message.parent);
}

export function stop() {
  state.answering?.abort.abort();
}

async function answer(question) {
  stop();
  const { conversation } = state;
  const { settings } = conversation;
  const size = sizeOf(settings) ?? state.info?.size;
  const offered = state.info?.sizes.find((one) => one.name === size);
  const message = tree.add(conversation, question.id, {
    role: 'assistant',
    size,
    sizeLabel: offered && sizeLabel(offered),
  });
  const abort = new AbortController();
  state.answering = { abort, message };
  tell('answering');
  tell('conversation');
  void keep(conversation);
  let keptAt = performance.now();
  const changed = () => {
    tell('message', message);
    if (performance.now() - keptAt < KEEP_MS) return;
    keptAt = performance.now();
    void keepPart(conversation, message);
  };
  try {
    const body = await bodyOf(tree.pathTo(conversation, question.id), settings);
    await untilAnswered(() => answerInto(body, message, changed, abort.signal), {
      began: () => message.text !== '',
      waits: (text) => {
        message.waiting = text;
        tell('message', message);
      },
      signal: abort.signal,
    });
    announce(`Answer: ${message.text}`);
  } catch (error) {
    message.waiting = undefined;
    if (abort.signal.aborted) message.finish = 'stopped';
    else
      message.error = {
        code: error.code ?? 'page_error',
        message: error.message,
        details: error.details ?? String(error.stack),
      };
    if (message.error) announce(`Error: ${message.error.message}`);
  }
  if (state.answering?.message === message) state.answering = null;
  conversation.updated = Date.now();
  tell('message', message);
  tell('answering');
  await keep(conversation);
  await store.drop('drafts', `answer ${conversation.id}`).catch(() => {});
  return message;
}

// Apart from the conversation, whose films would be written again each time.
function keepPart({ id }, message) {
  return store
    .put('drafts', { id: `answer ${id}`, conversation: id, message })
    .catch(() => {});
}
