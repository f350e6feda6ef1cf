// Opens a sealed contact with the vault's key, in this browser alone: neither the key nor what it opens leaves the page.
import { Decrypter, armor } from 'age-encryption';

const place = document.getElementById('vault');
const sealed = document.getElementById('vault-sealed');
const shown = document.getElementById('vault-contact');

/** The contact stands behind its length, in a text that is padded to hide it. */
function contact(padded: Uint8Array): string {
  const length = (padded[0]! << 8) | padded[1]!;
  return new TextDecoder('utf-8', { fatal: true }).decode(padded.subarray(2, 2 + length));
}

if (place && sealed && shown) {
  place.hidden = false;
  place.querySelector('input')!.addEventListener('change', async (event) => {
    const file = (event.target as HTMLInputElement).files?.[0];
    if (!file) return;
    try {
      const decrypter = new Decrypter();
      for (const line of (await file.text()).split(/\r?\n/)) if (line.startsWith('AGE-SECRET-KEY-')) decrypter.addIdentity(line.trim());
      shown.textContent = contact(await decrypter.decrypt(armor.decode(sealed.textContent!.trim())));
    } catch {
      shown.textContent = place.dataset.wrong!;
    }
  });
}
