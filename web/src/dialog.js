// SPDX-License-Identifier: Apache-2.0
// Small questions on top of the page.
import { el } from './dom.js';

/**
 * @param {string} title @param {(Node|string)[]} content
 * @param {{yes?: string, danger?: boolean}} [options]
 * @returns {Promise<boolean>} whether it was agreed to
 */
export function ask(title, content, { yes = 'OK', danger = false } = {}) {
  return new Promise((resolve) => {
    const form = el(
      'form',
      { method: 'dialog' },
      el('h2', {}, title),
      ...content,
      el(
        'div.row.end',
        {},
        el('button.plain', { value: 'no', formnovalidate: true }, 'Cancel'),
        el(danger ? 'button.primary.danger' : 'button.primary', { value: 'yes' }, yes),
      ),
    );
    form.querySelector('.plain').value = 'no';
    const dialog = /** @type {HTMLDialogElement} */ (
      el(
        'dialog',
        {
          'aria-label': title,
          onclose: () => {
            dialog.remove();
            resolve(dialog.returnValue === 'yes');
          },
        },
        form,
      )
    );
    // Enter means yes, wherever it is pressed.
    form.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.target.tagName !== 'INPUT') return;
      event.preventDefault();
      dialog.close('yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Asks for a line of text; null where there was none. */
export async function askText(title, label, value) {
  const input = /** @type {HTMLInputElement} */ (
    el('input', { id: 'asked', value, maxlength: 200 })
  );
  const agreed = await ask(title, [el('label', { for: 'asked' }, label), input]);
  return agreed && input.value.trim() ? input.value.trim() : null;
}
