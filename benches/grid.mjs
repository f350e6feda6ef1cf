// The workspace in a browser: opening, jumps, gestures, memory. `benches/workspace.rs` fills an appeal and starts this.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../tests/browser/package.json', import.meta.url));
const { chromium } = require('playwright-core');
const [base, exhibits] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage', '--enable-precise-memory-info'] });
const page = await (await browser.newContext({ viewport: { width: 1360, height: 900 }, locale: 'en-GB' })).newPage();
await page.goto(`${base}/login`);
await page.fill('#name', 'b');
await page.fill('#password', 'correct horse battery');
await page.press('#password', 'Enter');
await page.waitForURL((url) => url.pathname === '/purpose');
await page.fill('#reason', 'Affaire 12/2026');
await page.press('#reason', 'Enter');
await page.waitForURL((url) => url.pathname === '/appeals');
const opening = [];
for (let n = 0; n < 3; n++) {
  const start = performance.now();
  await page.goto(`${base}/appeals/BENCH?family=all`, { waitUntil: 'commit' });
  await page.waitForSelector('.cell.active', { timeout: 120_000 });
  opening.push(performance.now() - start);
}
const told = await page.evaluate(async () => {
  const box = document.getElementById('ws-grid');
  const frame = () => new Promise((r) => requestAnimationFrame(r));
  const heap = () => performance.memory.usedJSHeapSize / 1e6;
  let seed = 5;
  const chance = () => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed / 2147483648; };
  const seen = () => {
    const b = box.getBoundingClientRect();
    return [...box.querySelectorAll('.cell')].filter((c) => { const r = c.getBoundingClientRect(); return r.bottom > b.top && r.top < b.bottom; }).length;
  };
  const before = heap();
  const jumps = [];
  let least = Infinity;
  for (let n = 0; n < 200; n++) {
    const to = Math.floor(chance() * (box.scrollHeight - box.clientHeight));
    const start = performance.now();
    box.scrollTop = to;
    // Drawn in the frame after the scroll event; shown in the one after that.
    do await frame(); while (seen() === 0);
    jumps.push(performance.now() - start);
    least = Math.min(least, seen());
  }
  const gestures = [];
  for (let n = 0; n < 40; n++) {
    const inputs = [...document.querySelectorAll('#ws-kinds input, #ws-states input, #ws-grades input')];
    const input = inputs[Math.floor(chance() * inputs.length)];
    const start = performance.now();
    input.click();
    gestures.push(performance.now() - start);
    await frame();
    input.click();
    await frame();
  }
  const at = (v, share) => v.sort((a, b) => a - b)[Math.min(v.length - 1, Math.floor(v.length * share))];
  return {
    jumps: [at(jumps, 0.5), at(jumps, 0.95)], gestures: [at(gestures, 0.5), at(gestures, 0.95)],
    least, cells: box.querySelectorAll('.cell').length, before, after: heap(),
  };
});
const ms = (v) => v.map((n) => n.toFixed(1)).join(' / ');
console.log(`  opening, three times: ${opening.map((n) => n.toFixed(0)).join(', ')} ms until the first tile`);
console.log(`  a jump until tiles are drawn, ms median / 95th percentile of 200 (at 60 frames a second no less than 16.7): ${ms(told.jumps)}; never fewer than ${told.least} tiles in sight`);
console.log(`  a gesture (facet, answered from the index, all views), ms median / 95th percentile of 40: ${ms(told.gestures)}`);
console.log(`  tiles in the page ${told.cells}; script memory before and after ${told.before.toFixed(0)} and ${told.after.toFixed(0)} MB (${exhibits} exhibits)`);
await browser.close();
