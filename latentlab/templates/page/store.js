// The data of the page, and what of it is shown: scope, search, filters and order lead to the rows of the grid.
"use strict";
(() => {
const {emitter} = latentlab;
const TYPES = {int8: Int8Array, uint8: Uint8Array, int32: Int32Array, float32: Float32Array};
const data = latentlab.given.data();
const events = emitter();

const store = {
  data,
  mode: data.mode,
  clusters: data.clusters,
  groups: {},            // quantities of every image, by name
  texts: {},             // texts of every image, by name
  scope: {kind: "overview"},
  query: "",
  filters: new Map(),  // name -> {off: Set of categories} or {low, high}
  sort: {name: "", descending: false},
  colour: "cluster",
  image: null,           // row of the picture that is open
  withoutPictures: false, // whether the grid shows images that the file has no picture of
  rows: new Int32Array(0),
  passing: null,         // 1 for each row that search and filters let pass; null if there are none
  inScope: null,         // 1 for each row of the scope; null if that is all
  withheld: 0,           // rows that the grid leaves out, since the file has no picture of them
  ...events,
};

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const signs = atob(text), bytes = new Uint8Array(signs.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = signs.charCodeAt(i);
  return bytes;
}

async function unpack(packed) {
  if (!packed) return null;
  if (Array.isArray(packed)) return packed;
  const buffer = packed.url ? await (await ask(packed.url)).arrayBuffer() : bytesOf(packed.base64).buffer;
  return new TYPES[packed.type](buffer);
}

// Texts of very many images take long to come. Until they are there, each is "".
const UNREAD = new Proxy([], {get: (list, key) => typeof key === "string" && /^\d+$/.test(key) ? "" : list[key]});
const unread = [];  // [address, what takes the texts]
function takeTexts(texts, take) {
  take(Array.isArray(texts) ? texts : UNREAD);
  if (texts.url) unread.push([texts.url, take]);
}
// Asks for them; map and grid need none, so they come last.
async function readTexts() {
  if (!unread.length) return;
  for (const [address, take] of unread) {
    const lines = await (await ask(address)).text();
    take(lines ? JSON.parse(`[${lines.trimEnd().replaceAll("\n", ",")}]`) : []);
  }
  events.emit("texts");
  if (store.query || store.sort.name === "name") set({});
}

async function ask(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`the viewer gave no ${address}`);
  return answer;
}

async function takeGroup(name, group) {
  if (group.kind === "text") takeTexts(group.values, texts => { store.texts[name] = texts; });
  else store.groups[name] = {...group, values: await unpack(group.values)};
}

async function load() {
  const waiting = Object.entries(data.groups).map(([name, group]) => takeGroup(name, group));
  takeTexts(data.ids, texts => { store.ids = texts; rowOfId = null; });
  [store.xy, store.position, store.place, store.ratio, store.neighbourRows] = await Promise.all([
    unpack(data.xy), unpack(data.position), unpack(data.atlas?.place), unpack(data.atlas?.ratio),
    unpack(data.neighbours?.rows), ...waiting]);
  store.groups = Object.fromEntries(Object.keys(data.groups).filter(name => store.groups[name]).map(name => [name, store.groups[name]]));
  store.n = data.ids.url ? data.count : store.ids.length;
  refresh();
}

// Images and clusters

const members = new Map();  // name of a group -> {starts, rows}, rows by category

// The rows of a category, in the order of the map.
function rowsOf(name, category) {
  if (!members.has(name)) members.set(name, sortedByCategory(store.groups[name]));
  const {starts, rows} = members.get(name);
  return category < 0 ? rows.subarray(0, starts[0]) : rows.subarray(starts[category], starts[category + 1]);
}

function sortedByCategory(group) {
  const starts = new Int32Array(group.names.length + 2);
  const {values} = group;
  for (let row = 0; row < values.length; row++) starts[Math.min(values[row] + 2, starts.length - 1)]++;
  for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
  const next = starts.slice(), rows = new Int32Array(values.length);
  for (let row = 0; row < values.length; row++) rows[next[values[row] + 1]++] = row;
  return {starts: starts.subarray(1), rows};
}

function sizeOf(number) {
  const cluster = store.clusters[number];
  return cluster ? Object.values(cluster.sizes).reduce((sum, size) => sum + size, 0) : 0;
}
const filled = () => store.clusters.filter(cluster => sizeOf(cluster.number));
function clusterName(number) { return store.groups.cluster.names[number] ?? `cluster ${number}`; }
function clusterColour(number) { return number < 0 ? store.groups.cluster.grey : store.groups.cluster.colours[number]; }

function valueText(name, row) {
  if (store.texts[name]) return store.texts[name][row];
  const group = store.groups[name], value = group.values[row];
  if (group.kind === "categories") return value < 0 ? group.missing : group.names[value];
  if (Number.isNaN(value)) return "unknown";
  return group.integer ? latentlab.count(value) : String(Number(value.toPrecision(3)));
}

let rowOfId = null, rowOfPosition = null;
function rowOf(id) {
  rowOfId ??= new Map(store.ids.map((text, row) => [text, row]));
  return rowOfId.get(id);
}
function rowAt(position) {
  rowOfPosition ??= new Map(Array.from(store.position, (one, row) => [one, row]));
  return rowOfPosition.get(position);
}

function describe(row) {
  const texts = [store.ids[row]];
  for (const name of ["cluster", "label"]) if (store.groups[name]) texts.push(valueText(name, row));
  return texts.join(", ");
}

// Whether a picture of an image can be shown.
function hasPicture(row) {
  if (!data.pictures) return false;
  if (store.position) return true;
  return Boolean(data.atlas) && (store.place ? store.place[row] >= 0 : true);
}

// Images like another: from the file, or from the server.
function findsAlike(row) {
  if (store.mode === "view") return true;
  return Boolean(store.neighbourRows) && hasPicture(row);
}
async function alike(row) {
  if (store.mode === "view") {
    const found = await (await ask(`neighbours/${store.position[row]}`)).json();
    return found.positions.map(rowAt).filter(one => one !== undefined && one !== row);
  }
  const tile = store.place ? store.place[row] : row, {k} = data.neighbours;
  return Array.from(store.neighbourRows.subarray(tile * k, (tile + 1) * k)).filter(one => one >= 0 && one !== row);
}

// Search and filters

function categoriesNamed(text) {
  const found = {};
  for (const [name, group] of Object.entries(store.groups)) {
    if (group.kind !== "categories") continue;
    const named = group.names.map(one => one.toLowerCase().includes(text));
    if (named.some(Boolean)) found[name] = named;
  }
  return Object.entries(found).map(([name, named]) => [store.groups[name].values, named]);
}

function matcher(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const texts = Object.values(store.texts);
  const each = words.map(word => {
    const named = categoriesNamed(word);
    return row => store.ids[row].toLowerCase().includes(word)
      || named.some(([values, names]) => values[row] >= 0 && names[values[row]])
      || texts.some(values => values[row].toLowerCase().includes(word));
  });
  return row => each.every(matches => matches(row));
}

function filterOf(name, filter) {
  const {values, kind} = store.groups[name];
  if (kind === "categories") return row => !filter.off.has(values[row]);
  return row => values[row] >= filter.low && values[row] <= filter.high;
}

function activeFilters() {
  return [...store.filters].filter(([name, filter]) => store.groups[name] && (!filter.off || filter.off.size));
}

function passingRows() {
  const tests = activeFilters().map(([name, filter]) => filterOf(name, filter));
  if (store.query) tests.push(matcher(store.query));
  if (!tests.length) return null;
  const passing = new Uint8Array(store.n);
  for (let row = 0; row < store.n; row++) passing[row] = tests.every(test => test(row)) ? 1 : 0;
  return passing;
}

// Order

function isSorted() { return store.sort.name && (store.sort.name === "name" || store.groups[store.sort.name]); }

// How the rows of a scope come, where no order was chosen: a cluster's typical images first.
function ordered(rows) {
  const {name, descending} = store.sort;
  const sign = descending ? -1 : 1;
  if (name === "name") return rows.sort((a, b) => sign * store.ids[a].localeCompare(store.ids[b], "en", {numeric: true}));
  const chosen = isSorted() ? store.groups[name].values : store.scope.kind === "cluster" ? store.typical ?? store.groups.distance?.values : null;
  if (!chosen) return isSorted() || !descending ? rows : rows.reverse();
  const last = value => Number.isNaN(value);
  return rows.sort((a, b) => last(chosen[a]) - last(chosen[b]) || (isSorted() ? sign : 1) * (chosen[a] - chosen[b]) || a - b);
}

function scopeRows() {
  const {scope} = store;
  if (scope.kind === "cluster") return rowsOf("cluster", scope.number);
  return scope.rows ?? null;
}

function everyRow() {
  const rows = new Int32Array(store.n);
  for (let row = 0; row < rows.length; row++) rows[row] = row;
  return rows;
}

function refresh() {
  const inside = scopeRows();
  store.passing = passingRows();
  store.inScope = inside && new Uint8Array(store.n);
  if (inside) for (const row of inside) store.inScope[row] = 1;
  const rows = inside ?? everyRow();
  const passing = store.passing ? rows.filter(row => store.passing[row]) : rows.slice();
  const lacks = data.pictures && !store.position && !store.withoutPictures;  // a server has a picture of every image
  const shown = lacks ? passing.filter(hasPicture) : passing;
  store.withheld = passing.length - shown.length;
  store.rows = ordered(shown.length ? shown : passing);
  if (!shown.length) store.withheld = 0;
}

function set(changes) {
  Object.assign(store, changes);
  refresh();
  events.emit("rows", changes);
}

// Opens a scope: {kind: "overview"}, {kind: "all"}, {kind: "cluster", number}, or {kind: "rows" or "like", title, rows}.
function open(scope) {
  set({scope, image: null});
  events.emit("scope");
}
function openImage(row) {
  store.image = row;
  events.emit("image");
}

// Adds a group that the page has made itself, or takes it away.
function setGroup(name, group) {
  members.delete(name);
  if (group) store.groups[name] = group;
  else delete store.groups[name];
}

// Takes groups that have changed, and the clusters as they now are.
async function replace(changed, clusters, more = {}) {
  for (const name of ["mark", "tag"]) if (!changed[name]) { delete store.groups[name]; members.delete(name); }
  for (const [name, group] of Object.entries(changed)) {
    await takeGroup(name, group);
    members.delete(name);
    store.filters.delete(name);
  }
  store.clusters = clusters;
  Object.assign(data, more);
  setGroup("level", null);
  const {scope} = store;
  if (scope.kind === "cluster" && !sizeOf(scope.number)) store.scope = {kind: "overview"};
  refresh();
  events.emit("clusters");
  events.emit("rows", {});
}

Object.assign(store, {unpack, rowsOf, sizeOf, filled, clusterName, clusterColour, valueText, rowOf, rowAt, describe, hasPicture,
  findsAlike, alike, activeFilters, set, open, openImage, replace, setGroup, ask, load, readTexts});
latentlab.store = store;
latentlab.bytesOf = bytesOf;
})();
