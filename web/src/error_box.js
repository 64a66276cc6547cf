// SPDX-License-Identifier: Apache-2.0
// An error as everybody sees it: its code, its words, what can be copied and done about it.
import { byId, copyText, el } from './dom.js';

/**
 * @param {{code?: string, message: string, details?: string}} error
 * @param {Record<string, () => void>} [todo] labels of buttons and what they do
 */
export function errorBox({ code, message, details }, todo = {}) {
  const copy = el(
    'button.plain',
    { type: 'button', onclick: () => copyText(details ?? message, copy) },
    'Copy details',
  );
  const buttons = Object.entries(todo).map(([label, onclick]) =>
    el('button.plain', { type: 'button', onclick }, label),
  );
  return el(
    'div.error',
    { role: 'alert' },
    el('p', {}, el('strong', {}, code ?? 'error'), ' ', message),
    el('div.row', {}, ...buttons, copy),
  );
}

/** Something of the whole page, above all of it until it is closed or a button is pressed. */
export function notice(error, todo = {}) {
  const buttons = { ...todo, Close: () => {} };
  for (const [label, act] of Object.entries(buttons))
    buttons[label] = () => {
      box.remove();
      void act();
    };
  const box = errorBox(error, buttons);
  byId('notices').append(box);
}

/** What to tell when a device cannot be had. @param {'camera'|'microphone'} device */
export function deviceError(device, { name, message }) {
  const secure = window.isSecureContext ? '' : ' Browsers give it only to https and localhost.';
  return {
    code: name,
    message: `No ${device}: ${message || name}.${secure}`,
    details: `${name}: ${message}\n${navigator.userAgent}`,
  };
}
