// SPDX-License-Identifier: Apache-2.0
// What can be done to a conversation: send, stop, retry, edit. One answer is under way at a time.
import { ApiError } from './api.js';
import { answerInto, bodyOf } from './ask.js';
import { isGone, lost, whenBack } from './connection.js';
import { announce } from './dom.js';
import { keep, sizeLabel, state, tell } from './state.js';
import * as tree from './tree.js';

const MOST_WAITS = 8; // for a busy server

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

const pause = (ms, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('stopped', 'AbortError'));
    });
  });

async function answer(question) {
  stop();
  const { conversation } = state;
  const { settings } = conversation;
  const size = settings.size ?? state.info?.size;
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
  const changed = () => tell('message', message);
  try {
    const body = await bodyOf(tree.pathTo(conversation, question.id), settings);
    await untilAnswered(body, message, changed, abort.signal);
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
  return message;
}

// A server that is gone or busy before the answer began is waited for.
async function untilAnswered(body, message, changed, signal) {
  for (let attempt = 0; ; ++attempt) {
    try {
      return await answerInto(body, message, changed, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError) || message.text) throw error;
      const { code, status, retryAfter } = /** @type {any} */ (error);
      if (code === 'server_gone' || code === 'shutting_down' || code === 'model_loading') {
        if (!isGone()) lost();
        message.waiting = 'Waiting for the server; the question will be asked again.';
        changed();
        await whenBack(signal);
      } else if (status === 429 && code === 'server_busy' && attempt < MOST_WAITS) {
        const seconds = Math.max(retryAfter, Math.min(2 ** attempt, 30));
        message.waiting = `The server is busy. Asking again in ${seconds} s.`;
        changed();
        await pause(seconds * 1000, signal);
      } else throw error;
      message.waiting = undefined;
      changed();
    }
  }
}
