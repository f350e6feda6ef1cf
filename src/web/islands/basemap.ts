// The operator's own map under the pins: one file, vector or pictures, read in ranges from our server alone.
import type L from 'leaflet';
import { PMTiles, TileType, leafletRasterLayer } from 'pmtiles';
import { leafletLayer } from 'protomaps-leaflet';

/** Puts the map under what is drawn. Both readers look for the page's Leaflet in `L`, so that there is one of it. */
export async function add(leaflet: typeof L, map: L.Map, url: string): Promise<void> {
  Object.assign(globalThis, { L: leaflet });
  const file = new PMTiles(url);
  const { tileType, maxZoom } = await file.getHeader();
  const layer: unknown = tileType === TileType.Mvt
    ? leafletLayer({ url: file, flavor: 'light', lang: document.documentElement.lang.slice(0, 2) })
    : leafletRasterLayer(file, { maxNativeZoom: maxZoom, maxZoom: 22 });
  (layer as L.Layer).addTo(map);
  map.getContainer().classList.add('mapped');
}
