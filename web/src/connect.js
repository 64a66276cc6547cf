// SPDX-License-Identifier: Apache-2.0
// How other programs reach this server.
import { byId, copyText, el } from './dom.js';
import { on, state } from './state.js';

/**
 * @param {string} url @param {string} model @param {boolean} needsKey
 * @param {string} certificate the file of it where it is the server's own, so that nobody knows it
 */
export function snippets(url, model, needsKey, certificate) {
  const trust = certificate ? `# SSL_CERT_FILE=${certificate} python example.py\n` : '';
  const key = needsKey ? 'KEY' : 'none';
  const header = needsKey ? ' \\\n  -H "Authorization: Bearer $KEY"' : '';
  return [
    {
      title: 'OpenAI',
      base: `${url}/v1`,
      code: `${trust}from openai import OpenAI

client = OpenAI(base_url="${url}/v1", api_key="${key}")
answer = client.chat.completions.create(
    model="${model}", messages=[{"role": "user", "content": "Hello!"}])
print(answer.choices[0].message.content)`,
    },
    {
      title: 'Ollama',
      base: url,
      code: `${trust}import ollama

client = ollama.Client(host="${url}"${needsKey ? ', headers={"Authorization": "Bearer KEY"}' : ''})
answer = client.chat(model="${model}", messages=[{"role": "user", "content": "Hello!"}])
print(answer["message"]["content"])`,
    },
    {
      title: 'Google GenAI',
      base: url,
      code: `${trust}from google import genai

client = genai.Client(api_key="${key}", http_options={"base_url": "${url}"})
answer = client.models.generate_content(model="${model}", contents="Hello!")
print(answer.text)`,
    },
    {
      title: 'curl',
      base: `${url}/v1`,
      code: `curl ${url}/v1/chat/completions${certificate ? ` --cacert ${certificate}` : ''}${header} \\
  -d '{"messages":[{"role":"user","content":"Hello!"}]}'`,
    },
  ];
}

function card({ title, base, code }) {
  const copyBase = el(
    'button.plain',
    {
      type: 'button',
      'aria-label': `Copy the base URL for ${title}`,
      onclick: () => copyText(base, copyBase),
    },
    'Copy',
  );
  const copyCode = el(
    'button.copy-code',
    {
      type: 'button',
      'aria-label': `Copy the example for ${title}`,
      onclick: () => copyText(code, copyCode),
    },
    'Copy',
  );
  return el(
    'section.card',
    {},
    el('h3', {}, title),
    el('p.base', {}, el('code', {}, base), copyBase),
    el(
      'div.code',
      {},
      el('div.code-head', {}, el('span', {}, title === 'curl' ? 'shell' : 'Python'), copyCode),
      el('pre', { tabindex: '0' }, el('code', {}, code)),
    ),
  );
}

async function draw() {
  const { info } = state;
  if (!info) return;
  const certificate = location.protocol === 'https:' ? info.certificate : '';
  byId('snippets').replaceChildren(
    ...snippets(location.origin, info.model, info.needs_key, certificate).map(card),
  );
  byId('certificate').replaceChildren(
    ...(certificate
      ? [
          'Its certificate is its own, so programs are told to trust ',
          el('a', { href: `/page/${certificate}`, download: certificate }, certificate),
          ': curl by --cacert, Python by SSL_CERT_FILE, Node.js by NODE_EXTRA_CA_CERTS.',
        ]
      : []),
  );
  const others = info.urls.filter((url) => url !== location.origin);
  byId('urls').textContent = others.length ? `Also at ${others.join(', ')}.` : '';
  if (!info.qr) return;
  const picture = el('img.qr', {
    src: '/page/qr.svg',
    alt: 'QR code with the address of this page',
  });
  byId('qr').hidden = false;
  byId('qr').replaceChildren(
    el('h3', {}, 'On a phone'),
    picture,
    el(
      'p',
      {},
      'Point its camera here. The code holds the address and, where one is needed, a key.',
    ),
  );
}

export function startConnect() {
  on('info', draw);
  void draw();
}
