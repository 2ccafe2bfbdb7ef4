// How a group of the page's quantities colours the map: inks of the points, which of them are meant, and names.
"use strict";
(() => {
const {store} = latentlab;
const UNKNOWN = "#c4c8ce";
const MOST_NAMES = 60;     // categories above which a map has no names
const PARTS = 12;          // of the map's sides, where names are placed
const LONGEST_NAME = 18;   // signs of a name on the map

// The ink of each row.
function of(group) {
  const inkOf = group.kind === "categories" ? categoryInks(group) : numberInks(group);
  const inks = new Uint32Array(store.n);
  for (let row = 0; row < inks.length; row++) inks[row] = inkOf(group.values[row]);
  return inks;
}
function categoryInks(group) {
  const inks = group.colours.map(latentlab.inkOf), grey = latentlab.inkOf(group.grey);
  return value => value < 0 ? grey : inks[value];
}
function numberInks(group) {
  const inks = store.data.ramp.map(latentlab.inkOf), scale = (inks.length - 1) / (group.high - group.low || 1), grey = latentlab.inkOf(UNKNOWN);
  return value => inks[Math.max(0, Math.min(inks.length - 1, Math.round((value - group.low) * scale)))] ?? grey;
}

// The level of each row, as Map.paint takes it; null if all are shown.
function levels() {
  const {passing, inScope} = store;
  if (!passing && !inScope) return null;
  const found = new Uint8Array(store.n);
  for (let row = 0; row < found.length; row++) found[row] = passing && !passing[row] ? 0 : inScope && !inScope[row] ? 1 : 2;
  return found;
}

// The names of a group's categories on a map of this extent, those of the most images first. Another map than the page's has places
// of its own, and `isOnMap` says which rows it shows.
function names(name, extent, xy = store.xy, isOnMap = null) {
  const group = store.groups[name] ?? store.groups.cluster;
  if (group.kind !== "categories" || group.names.length > MOST_NAMES || name === "split") return [];
  const found = group.names.map((text, category) => ({text: shortName(text), category, colour: group.colours[category], ink: group.inks[category],
    rows: isOnMap ? store.rowsOf(name, category).filter(isOnMap) : store.rowsOf(name, category)})).filter(entry => entry.rows.length);
  return found.sort((a, b) => b.rows.length - a.rows.length).map(({rows, ...entry}) => ({...entry, ...densest(rows, extent, xy)}));
}
function shortName(text) {
  const bare = text.replace(/^clusters? ([\d, ]+)$/, "$1");
  return bare.length > LONGEST_NAME ? `${bare.slice(0, LONGEST_NAME - 1)}…` : bare;
}
// Where rows are densest on a coarse grid: a median may lie between two parts of a group.
function densest(rows, [left, right, bottom, top], xy) {
  const sums = new Float64Array(3 * PARTS * PARTS), across = (right - left || 1) * 1.0001, tall = (top - bottom || 1) * 1.0001;
  for (const row of rows) {
    const x = xy[2 * row], y = xy[2 * row + 1];
    const cell = 3 * (Math.floor(PARTS * (x - left) / across) * PARTS + Math.floor(PARTS * (y - bottom) / tall));
    sums[cell] += x; sums[cell + 1] += y; sums[cell + 2]++;
  }
  let best = 0;
  for (let cell = 0; cell < sums.length; cell += 3) if (sums[cell + 2] > sums[best + 2]) best = cell;
  return {x: sums[best] / sums[best + 2], y: sums[best + 1] / sums[best + 2]};
}

latentlab.inks = {of, levels, names};
})();
