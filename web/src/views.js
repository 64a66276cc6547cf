// SPDX-License-Identifier: Apache-2.0
// The views of the page, by the address's fragment; light and dark.
import { byId } from './dom.js';
import { keepSetting, setting } from './store.js';

const VIEWS = ['chat', 'transcribe', 'compare', 'lab', 'connect'];
const shownBefore = new Set();

export const currentView = () => {
  const name = location.hash.slice(1);
  return VIEWS.includes(name) ? name : 'chat';
};

/** @param {Record<string, () => void>} first called when a view is shown the first time */
export function startViews(first) {
  const draw = () => {
    const current = currentView();
    document.body.dataset.view = current;
    for (const name of VIEWS) byId(name).hidden = name !== current;
    for (const link of document.querySelectorAll('#views a')) {
      if (link.getAttribute('href') === `#${current}`) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    if (!shownBefore.has(current)) {
      shownBefore.add(current);
      first[current]?.();
    }
  };
  window.addEventListener('hashchange', draw);
  draw();
}

const THEMES = ['auto', 'light', 'dark'];

export function startTheme() {
  const button = byId('theme');
  const draw = () => {
    const theme = setting('theme', 'auto');
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const label = `Colours: ${theme === 'auto' ? 'as the system' : theme}`;
    button.setAttribute('aria-label', label);
    button.title = label;
  };
  button.addEventListener('click', () => {
    keepSetting('theme', THEMES[(THEMES.indexOf(setting('theme', 'auto')) + 1) % THEMES.length]);
    draw();
  });
  draw();
}
