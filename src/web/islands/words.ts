// The page's own words: the server writes them, in the person's language, into one JSON element.

const element = document.getElementById('words');
const texts: Record<string, string> = element ? JSON.parse(element.textContent ?? '{}') : {};

/** The text for a key, with {name} replaced. Plural forms are keys that end in _one and _other. */
export function say(key: string, values: Record<string, string | number> = {}): string {
  const n = values['n'];
  const form = typeof n === 'number' ? new Intl.PluralRules(document.documentElement.lang).select(n) : '';
  const text = texts[`${key}_${form}`] ?? texts[`${key}_other`] ?? texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''));
}

/** Bytes as people read them, in powers of ten. */
export function size(bytes: number): string {
  const units = (texts['units'] ?? 'B,kB,MB,GB').split(',');
  let unit = 0;
  while (bytes >= 1000 && unit < 3) { bytes /= 1000; unit++; }
  const text = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: unit ? 1 : 0 }).format(bytes);
  return `${text}\u00a0${units[unit]}`;
}
