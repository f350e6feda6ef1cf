// Builds the islands into assets/, which is committed: `cargo build` needs no Node. With --check, builds and compares.
import { build } from 'esbuild';
import { readFileSync, writeFileSync, copyFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const check = process.argv.includes('--check');
const done = await build({
  entryPoints: { upload: here('islands/upload.ts'), map: here('islands/map.ts'), basemap: here('islands/basemap.ts'), flood: here('islands/flood.ts'), verify: here('islands/verify.ts'), seen: here('islands/seen.ts'), workspace: here('islands/workspace/main.ts'), viewer: here('islands/viewer/main.ts'), compare: here('islands/compare/main.ts'), passkey: here('islands/passkey.ts'), vault: here('islands/vault.ts') },
  outdir: here('assets'),
  bundle: true,
  format: 'esm',
  target: ['es2020', 'safari15'],
  minify: true,
  legalComments: 'none',
  banner: { js: '/*! Témoin, Apache-2.0. Contains tus-js-client (MIT, Transloadit Ltd) with js-base64 (BSD-3-Clause, Dan Kogai) and url-parse (MIT), or Leaflet (BSD-2-Clause, V. Agafonkin, CloudMade), or age-encryption (BSD-3-Clause, Filippo Valsorda) with noble and scure (MIT, Paul Miller), or protomaps-leaflet and PMTiles (BSD-3-Clause, Protomaps LLC) with what they need (MIT, BSD, Apache-2.0). */' },
  charset: 'utf8',
  // The map is fetched when somebody asks for it.
  external: ['/assets/map.js', '/assets/basemap.js'],
  write: false,
});
const files = done.outputFiles.map((f) => [f.path, Buffer.from(f.contents)]);
files.push([here('assets/leaflet.css'), readFileSync(here('node_modules/leaflet/dist/leaflet.css'))]);
let stale = 0;
for (const [path, bytes] of files) {
  if (!check) { writeFileSync(path, bytes); continue; }
  let kept = Buffer.alloc(0);
  try { kept = readFileSync(path); } catch { /* reported below */ }
  if (!kept.equals(bytes)) { stale++; console.error(`${path} is not what its source builds: run npm run build in src/web`); }
}
process.exit(stale ? 1 : 0);
