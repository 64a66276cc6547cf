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
  return new Promise((resolve, reject) => {
    const asked = ask(store);
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
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
