// SPDX-License-Identifier: Apache-2.0
// The key, where the server wants one: from the address that a QR code holds, else asked for.
import { el } from './dom.js';

let asking = /** @type {Promise<boolean>|null} */ (null);

let logins = 0,
  declines = 0;
/** How often a key was taken; a request from before may still be refused after it. */
export const loginCount = () => logins;
/** How often none was given; a request from before is no reason to ask again. */
export const declineCount = () => declines;

/** @param {string} key @returns {Promise<string>} what is wrong; empty: nothing */
async function logIn(key) {
  try {
    const response = await fetch('/page/login', {
      method: 'POST',
      credentials: 'same-origin',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ key }),
    });
    if (response.ok) {
      logins += 1;
      return '';
    }
    if (response.status === 429) return 'Too many wrong keys; wait a second.';
    return response.status === 401
      ? 'This is not one of the server’s keys.'
      : `The server answered ${response.status}.`;
  } catch {
    return 'The server cannot be reached.';
  }
}

/** Takes "#key=..." from the address, so that it stays neither there nor in the history. */
export async function takeKeyFromAddress() {
  const found = /^#key=(.+)$/.exec(location.hash);
  if (!found) return;
  history.replaceState(null, '', location.pathname);
  let [, key] = found;
  try {
    key = decodeURIComponent(key);
  } catch {
    /* as it stands there */
  }
  await logIn(key);
}

/** Asks until the server takes the key; false when it was not given. */
export function askForKey() {
  asking ??= new Promise((resolve) => {
    const trouble = el('p.error-text', { role: 'alert' });
    const input = /** @type {HTMLInputElement} */ (
      el('input', { type: 'password', autocomplete: 'current-password', required: true, id: 'key' })
    );
    const form = el(
      'form',
      {
        onsubmit: async (event) => {
          event.preventDefault();
          trouble.textContent = await logIn(input.value);
          if (!trouble.textContent) close(true);
        },
      },
      el('h2', {}, 'This server asks for a key'),
      el('p', {}, 'Whoever started it has it; the address in its QR code holds it, too.'),
      el('label', { for: 'key' }, 'Key'),
      input,
      trouble,
      el(
        'div.row.end',
        {},
        el('button.plain', { type: 'button', onclick: () => close(false) }, 'Cancel'),
        el('button.primary', { type: 'submit' }, 'Go on'),
      ),
    );
    const dialog = /** @type {HTMLDialogElement} */ (
      el('dialog', { 'aria-label': 'Key', onclose: () => close(false) }, form)
    );
    const close = (done) => {
      if (!dialog.isConnected) return;
      dialog.remove();
      asking = null;
      if (!done) declines += 1;
      resolve(done);
    };
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}
