// Passkeys on the pages for signing in, for proving once more who one is, and on one's own account. The server says what to ask the browser for,
// and judges the answer; this carries one to the other.

const bytes = (text: string): ArrayBuffer => {
  const plain = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
  const out = new Uint8Array(plain.length);
  for (let n = 0; n < plain.length; n += 1) out[n] = plain.charCodeAt(n);
  return out.buffer;
};

const text = (buffer: ArrayBuffer): string => {
  let plain = '';
  for (const b of new Uint8Array(buffer)) plain += String.fromCharCode(b);
  return btoa(plain).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
};

type Json = Record<string, any>;

async function post(url: string, body: Json): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
}

function problem(words: string | undefined): void {
  const place = document.getElementById('passkey-problem');
  if (!place) return;
  place.textContent = words ?? '';
  place.hidden = !words;
}

async function begun(url: string): Promise<{ ticket: string; options: Json }> {
  const answer = await post(url, {});
  if (!answer.ok) throw answer;
  return answer.json();
}

async function signIn(to: string): Promise<string> {
  const { ticket, options } = await begun('/login/passkey');
  const asked = options.publicKey as Json;
  asked.challenge = bytes(asked.challenge);
  asked.allowCredentials = (asked.allowCredentials ?? []).map((c: Json) => ({ ...c, id: bytes(c.id) }));
  const found = await navigator.credentials.get({ publicKey: asked as unknown as PublicKeyCredentialRequestOptions }) as PublicKeyCredential;
  const said = found.response as AuthenticatorAssertionResponse;
  const credential = {
    id: found.id, rawId: text(found.rawId), type: found.type, extensions: found.getClientExtensionResults(),
    response: { authenticatorData: text(said.authenticatorData), clientDataJSON: text(said.clientDataJSON), signature: text(said.signature), userHandle: said.userHandle ? text(said.userHandle) : null },
  };
  const answer = await post('/login/passkey/answer', { ticket, credential, to });
  if (!answer.ok) throw answer;
  return ((await answer.json()) as { to: string }).to;
}

async function add(name: string): Promise<void> {
  const { ticket, options } = await begun('/account/passkeys');
  const asked = options.publicKey as Json;
  asked.challenge = bytes(asked.challenge);
  asked.user.id = bytes(asked.user.id);
  asked.excludeCredentials = (asked.excludeCredentials ?? []).map((c: Json) => ({ ...c, id: bytes(c.id) }));
  const made = await navigator.credentials.create({ publicKey: asked as unknown as PublicKeyCredentialCreationOptions }) as PublicKeyCredential;
  const said = made.response as AuthenticatorAttestationResponse;
  const credential = {
    id: made.id, rawId: text(made.rawId), type: made.type, extensions: made.getClientExtensionResults(),
    response: { attestationObject: text(said.attestationObject), clientDataJSON: text(said.clientDataJSON), transports: said.getTransports?.() ?? null },
  };
  const answer = await post('/account/passkeys/answer', { ticket, credential, name });
  if (!answer.ok) throw answer;
}

/** Does it once, says what is wrong. Who has to prove first who they are is led there. */
async function doing(place: HTMLElement, button: HTMLButtonElement, work: () => Promise<void>): Promise<void> {
  button.disabled = true;
  problem(undefined);
  try {
    await work();
  } catch (e) {
    if (e instanceof Response && e.status === 403 && place.dataset.prove) location.assign(place.dataset.prove);
    else problem(place.dataset.failed);
  }
  button.disabled = false;
}

if (window.PublicKeyCredential) {
  const login = document.getElementById('passkey-login');
  const button = login?.querySelector('button');
  if (login && button) {
    login.hidden = false;
    button.addEventListener('click', () => void doing(login, button, async () => location.assign(await signIn(login.dataset.to ?? ''))));
  }
  const more = document.getElementById('passkey-new');
  const adding = more?.querySelector('button');
  if (more && adding) {
    more.hidden = false;
    const name = more.querySelector('input')!;
    adding.addEventListener('click', () => void doing(more, adding, async () => { await add(name.value); location.reload(); }));
  }
}
