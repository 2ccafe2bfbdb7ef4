// Two clusterings of the same images: their maps, and one selection that both show.
"use strict";
(() => {
const {store, inks, thumbs, byId, images} = latentlab;
const NAMES = ["left", "right"];
const other = side => side === "left" ? "right" : "left";
const facts = Object.fromEntries(NAMES.map((name, place) => [name, store.data.sides[place]]));
const maps = {};      // the map of each side that has one: {map, rows, placeOf, xy}
let colour = "clusters";

const group = side => store.groups[side];
const clusterOf = (side, row) => group(side).values[row];
const nameOf = (side, number) => number < 0 ? group(side).missing : group(side).names[number];
const colourOf = (side, number) => number < 0 ? group(side).grey : group(side).colours[number];
const labelOf = row => store.groups.label ? store.valueText("label", row) : "";
function describe(row) {
  const texts = [store.ids[row], ...NAMES.map(side => `${side}: ${nameOf(side, clusterOf(side, row))}`), labelOf(row)];
  return texts.filter(Boolean).join(", ");
}

// All images of the runs by cluster on the left and on the right; the last row and column stand for -1.
const {table} = store.data;
const at = number => list => list[number < 0 ? list.length - 1 : number];
const shared = (left, right) => at(right)(at(left)(table));
function total(side, number) {
  return side === "left" ? at(number)(table).reduce((sum, size) => sum + size, 0) : table.reduce((sum, list) => sum + at(number)(list), 0);
}

// Selecting

const titleOf = (side, number) => `${nameOf(side, number)} of ${facts[side].name}`;
function cluster(side, number) {
  open({title: titleOf(side, number), rows: store.rowsOf(side, number), total: total(side, number), pairs: [], side, number});
}
// Cells of the table: [left, right] of each.
function cells(pairs) {
  if (!pairs.length) return clear();
  const wanted = new Set(pairs.map(String));
  const rows = everyRow().filter(row => wanted.has(String([clusterOf("left", row), clusterOf("right", row)])));
  const [[left, right]] = pairs;
  const title = pairs.length > 1 ? `${pairs.length} cells of the table` : `${nameOf("left", left)} on the left, ${nameOf("right", right)} on the right`;
  open({title, rows, total: pairs.reduce((sum, [a, b]) => sum + shared(a, b), 0), pairs});
}
function rows(found, title, isOfMap = false) { found.length ? open({title, rows: Int32Array.from(found), total: found.length, pairs: [], isOfMap}) : clear(); }
function moved() { open({title: "Outside matched clusters", rows: store.rowsOf("moved", 1), total: movedTotal(), pairs: []}); }
function movedTotal() {
  const {partners} = facts.right;
  return table.slice(0, -1).reduce((sum, list, left) => sum + list.slice(0, -1).reduce((all, size, right) => all + (partners[right] === left ? 0 : size), 0), 0);
}
function open(scope) { store.open({kind: "rows", ...scope}); }
function clear() { store.open({kind: "all"}); }
function everyRow() { return Int32Array.from({length: store.n}, (_, row) => row); }

// The maps

function makeMap(side) {
  const {map: told, name} = facts[side], holder = byId(`map-${side}`);
  if (!told) return;
  const rowsOnMap = told.rows, placeOf = new Int32Array(store.n).fill(-1), xy = new Float32Array(2 * store.n).fill(NaN);
  rowsOnMap.forEach((row, place) => {
    placeOf[row] = place;
    xy[2 * row] = told.xy[2 * place];
    xy[2 * row + 1] = told.xy[2 * place + 1];
  });
  const map = latentlab.Map(holder, {
    xy: told.xy, label: `Map of ${name}: arrow keys move, plus and minus zoom, 0 shows all`, toolsLabel: `Tools of the map of ${name}`, describedBy: `note-${side}`,
    picture: store.data.pictures ? (place, size, then) => thumbs.atHand(rowsOnMap[place], size, then) : null,
    onHover: (place, x, y) => latentlab.compare.hover(side, place === null ? null : rowsOnMap[place], x, y),
    onOpen: place => store.openImage(rowsOnMap[place]),
    onName: number => colour === "clusters" && cluster(side, number),
    onSelect: places => {
      map.setTool("move");
      rows(places.map(place => rowsOnMap[place]).sort(), `${images(places.length)} selected on the map of ${name}`, true);
    },
    // Where both sides have one map, they show the same part of it.
    onView: () => facts.left.map.of === facts.right.map.of && maps[other(side)]?.map.setView(map.getView()),
  });
  maps[side] = {map, rows: rowsOnMap, placeOf, xy};
}
let painted = {};
function paint() {
  const levels = inks.levels();
  for (const [side, {map, rows: rowsOnMap, placeOf, xy}] of Object.entries(maps)) {
    const name = colour === "clusters" ? side : colour;
    if (painted[side]?.name !== name) {
      const all = inks.of(store.groups[name]);
      painted[side] = {name, inks: Uint32Array.from(rowsOnMap, row => all[row])};
      map.setNames(name === "moved" ? [] : inks.names(name, map.extent, xy, row => placeOf[row] >= 0));
    }
    map.paint(painted[side].inks, levels && Uint8Array.from(rowsOnMap, row => levels[row]));
  }
}
function eachMap(run) { for (const {map, placeOf} of Object.values(maps)) run(map, row => row === null || placeOf[row] < 0 ? null : placeOf[row]); }
function hint(row) { eachMap((map, place) => map.setHint(place(row))); }
function ring(row) {
  eachMap((map, place) => {
    map.setRing(place(row));
    if (place(row) !== null) map.centre(place(row));
  });
}
function showAll() { eachMap(map => map.showAll()); }
function redraw() { eachMap(map => map.redraw()); }
function setColour(name) { colour = name; paint(); }

async function start() {
  for (const side of NAMES) {
    const {map} = facts[side];
    if (map && typeof map.rows.base64 === "string") [map.xy, map.rows] = await Promise.all([store.unpack(map.xy), store.unpack(map.rows)]);
    makeMap(side);
  }
}

latentlab.sides = {NAMES, other, facts, maps, clusterOf, nameOf, colourOf, labelOf, describe, shared, total, cluster, cells, rows, moved, movedTotal,
  clear, paint, hint, ring, showAll, redraw, setColour, start};
})();
