// Which parts of a clip or a sound somebody has had before them, told when they turn away: so that it stands in the exhibit's history.
// The bytes came under an event of their own; this adds to it, and may be lost with the network.

const media = document.querySelector<HTMLMediaElement>('[data-seen]');
let told = '';

/** Played stretches in milliseconds, `0-15200 30000-31000`. */
function played(ranges: TimeRanges): string {
  const ms = (s: number): number => Math.round(s * 1000);
  const all: string[] = [];
  for (let n = 0; n < ranges.length && n < 32; n += 1) if (ms(ranges.end(n)) > ms(ranges.start(n))) all.push(`${ms(ranges.start(n))}-${ms(ranges.end(n))}`);
  return all.join(' ');
}

function tell(): void {
  if (!media) return;
  const ranges = played(media.played);
  if (ranges === '' || ranges === told) return;
  if (navigator.sendBeacon(media.dataset.seen!, new URLSearchParams({ ranges, look: media.dataset.look! }))) told = ranges;
}

document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'hidden') tell(); });
window.addEventListener('pagehide', tell);
media?.addEventListener('ended', tell);
