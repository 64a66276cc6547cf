// SPDX-License-Identifier: Apache-2.0
// Conversations and drafts, kept in this browser alone.

/** @type {Promise<IDBDatabase>|null} */
let database = null;

function openDatabase() {
  database ??= new Promise((resolve, reject) => {
    const opening = indexedDB.open('gemma3n', 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore('conversations', { keyPath: 'id' });
      opening.result.createObjectStore('drafts', { keyPath: 'id' });
    };
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
  return database;
}

// Where the browser keeps nothing (a private window), things live as long as the page.
const memory = { conversations: new Map(), drafts: new Map() };

/** @param {'conversations'|'drafts'} name @param {IDBTransactionMode} mode */
async function inStore(name, mode, ask, otherwise) {
  let store;
  try {
    store = (await openDatabase()).transaction(name, mode).objectStore(name);
  } catch {
    return otherwise(memory[name]);
  }
  // That there is no more room may be known at the transaction's end only.
  return new Promise((resolve, reject) => {
    const { transaction } = store;
    const asked = ask(store);
    transaction.oncomplete = () => resolve(asked.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

/** @param {'conversations'|'drafts'} name */
export const put = (name, value) =>
  inStore(
    name,
    'readwrite',
    (store) => store.put(value),
    (map) => map.set(value.id, value),
  );
/** Puts what `change` makes of the one that is kept; nobody writes between. `undefined` is none. */
export const update = (name, id, change) =>
  inStore(
    name,
    'readwrite',
    (store) => {
      const asked = store.get(id);
      asked.onsuccess = () => {
        const changed = change(asked.result);
        if (changed) store.put(changed);
      };
      return asked;
    },
    (map) => {
      const changed = change(map.get(id));
      if (changed) map.set(id, changed);
    },
  );
export const take = (name, id) =>
  inStore(
    name,
    'readonly',
    (store) => store.get(id),
    (map) => map.get(id),
  );
export const drop = (name, id) =>
  inStore(
    name,
    'readwrite',
    (store) => store.delete(id),
    (map) => map.delete(id),
  );
export const all = (name) =>
  inStore(
    name,
    'readonly',
    (store) => store.getAll(),
    (map) => [...map.values()],
  );

/** A small setting of this browser; `otherwise` where there is none. */
export function setting(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(`gemma3n.${name}`) ?? 'null') ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function keepSetting(name, value) {
  try {
    localStorage.setItem(`gemma3n.${name}`, JSON.stringify(value));
  } catch {
    /* it lives as long as the page */
  }
}
