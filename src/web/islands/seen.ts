// Which parts of a clip or a sound somebody has had before them, told when they turn away: so that it stands in the exhibit's history.
// The bytes came under an event of their own; this adds to it, and may be lost with the network.

const told = new WeakMap<HTMLMediaElement, string>();

/** Played stretches in milliseconds, `0-15200 30000-31000`. */
function played(ranges: TimeRanges): string {
  const ms = (s: number): number => Math.round(s * 1000);
  const all: string[] = [];
  for (let n = 0; n < ranges.length && n < 32; n += 1) if (ms(ranges.end(n)) > ms(ranges.start(n))) all.push(`${ms(ranges.start(n))}-${ms(ranges.end(n))}`);
  return all.join(' ');
}

/** Looked up when it is told: what colleagues marked as graphic comes into the page later. */
function tell(): void {
  for (const media of document.querySelectorAll<HTMLMediaElement>('[data-seen]')) {
    const ranges = played(media.played);
    if (ranges === '' || ranges === told.get(media)) continue;
    if (navigator.sendBeacon(media.dataset.seen!, new URLSearchParams({ ranges, look: media.dataset.look! }))) told.set(media, ranges);
  }
}

document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'hidden') tell(); });
window.addEventListener('pagehide', tell);
// (Media events do not bubble.)
document.addEventListener('ended', tell, true);
