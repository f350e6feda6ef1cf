// The witness's map: one pin for "I was here". Fetched only when somebody asks for it. Without a server of map pictures it
// is a plan: the appeal's area, a grid of hundred metres and a scale.
import './trusted.js';
import L from 'leaflet';

/** The reader of the operator's own map: large, and fetched only where there is one. */
const BASEMAP = '/assets/basemap.js';

export interface Place { lat: number; lon: number }
export interface MapOptions {
  centre: Place;
  radiusM: number;
  tiles: string;
  attribution: string;
  label: string;
  start: Place | null;
  picked: (place: Place) => void;
}

/** A map of the appeal's area, with pictures from a server if one is named, else with a grid. */
export function plan(box: HTMLElement, at: Place, radiusM: number, tiles: string, attribution: string): L.Map {
  const map = L.map(box, { zoomControl: true, attributionControl: tiles !== '' && attribution !== '', keyboard: true });
  const centre = L.latLng(at.lat, at.lon);
  map.fitBounds(centre.toBounds(radiusM * 3));
  if (tiles.endsWith('.pmtiles')) {
    // Fetched where an operator has a map of their own; the plan is there until it comes, and when it does not.
    grid(map, centre, radiusM);
    void import(BASEMAP).then((m: { add(leaflet: typeof L, map: L.Map, url: string): Promise<void> }) => m.add(L, map, tiles)).catch(() => undefined);
  } else if (tiles) L.tileLayer(tiles, { maxZoom: 19, attribution }).addTo(map);
  else grid(map, centre, radiusM);
  L.control.scale({ imperial: false }).addTo(map);
  L.circle(centre, { radius: radiusM, className: 'area', interactive: false }).addTo(map);
  return map;
}

export function openMap(box: HTMLElement, o: MapOptions): { set: (place: Place) => void } {
  const map = plan(box, o.centre, o.radiusM, o.tiles, o.attribution);
  const centre = L.latLng(o.centre.lat, o.centre.lon);
  L.marker(centre, { icon: L.divIcon({ className: 'here', html: '', iconSize: [12, 12] }), interactive: false, keyboard: false, title: o.label }).addTo(map);
  const pin = L.marker(centre, {
    draggable: true, autoPan: true, title: o.label, alt: o.label,
    icon: L.divIcon({ className: 'pin', html: '', iconSize: [28, 28], iconAnchor: [14, 28] }),
  });
  const set = (place: Place): void => {
    pin.setLatLng([place.lat, place.lon]).addTo(map);
    if (!map.getBounds().contains([place.lat, place.lon])) map.panTo([place.lat, place.lon]);
  };
  const tell = (at: L.LatLng): void => { set({ lat: at.lat, lon: at.lng }); o.picked({ lat: at.lat, lon: at.wrap().lng }); };
  map.on('click', (e) => tell(e.latlng));
  pin.on('dragend', () => tell(pin.getLatLng()));
  // Without a pointer: arrows move the map, Enter sets the pin in its middle.
  box.addEventListener('keydown', (e) => { if (e.key === 'Enter' && e.target === box) { e.preventDefault(); tell(map.getCenter()); } });
  if (o.start) set(o.start);
  return { set };
}

function grid(map: L.Map, centre: L.LatLng, radiusM: number): void {
  const step = radiusM > 2000 ? 1000 : 100;
  const lines = Math.min(40, Math.ceil((radiusM * 4) / step));
  const dLat = step / 111_320;
  const dLon = dLat / Math.max(0.05, Math.cos((centre.lat * Math.PI) / 180));
  for (let n = -lines; n <= lines; n++) {
    const style = { className: 'grid', interactive: false, weight: 1 };
    L.polyline([[centre.lat + n * dLat, centre.lng - lines * dLon], [centre.lat + n * dLat, centre.lng + lines * dLon]], style).addTo(map);
    L.polyline([[centre.lat - lines * dLat, centre.lng + n * dLon], [centre.lat + lines * dLat, centre.lng + n * dLon]], style).addTo(map);
  }
}
