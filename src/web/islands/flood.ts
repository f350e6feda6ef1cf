// In a flood the browser works for its place in the queue: it finds a number whose SHA-256, together with the page's
// challenge, begins with enough zero bits (src/domain/work.rs). Nobody has to solve anything.

const form = document.getElementById('flood') as HTMLFormElement | null;

async function zeros(text: string): Promise<number> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  let n = 0;
  for (const byte of digest) {
    n += byte === 0 ? 8 : Math.clz32(byte) - 24;
    if (byte !== 0) break;
  }
  return n;
}

async function work(form: HTMLFormElement): Promise<void> {
  const bits = Number(form.dataset['bits']);
  const challenge = (form.elements.namedItem('challenge') as HTMLInputElement).value;
  const state = document.getElementById('flood-state');
  if (state) state.textContent = form.dataset['working'] ?? '';
  const batch = 64;
  for (let n = 0; ; n += batch) {
    const found = await Promise.all(Array.from({ length: batch }, (_, k) => zeros(`${challenge}:${n + k}`)));
    const hit = found.findIndex((z) => z >= bits);
    if (hit >= 0) {
      (form.elements.namedItem('answer') as HTMLInputElement).value = String(n + hit);
      form.submit();
      return;
    }
  }
}

// Only secure contexts hash; elsewhere the button and its wait remain.
if (form && globalThis.crypto?.subtle) void work(form);
