// Small pictures: tiles of the file's sheets, or of sheets that the server makes of what is asked for.
"use strict";
(() => {
const {store, bytesOf, element} = latentlab;
const SIDES = [96, 128, 192, 256, 384, 512];  // pixels that the server is asked for, few, so that tiles are of use again
const MOST_PIXELS = 120e6;  // of decoded sheets of the file at a time
const decoded = new Map();  // number of a sheet -> promise of its bitmap
const bitmaps = new Map();  // number of a sheet -> bitmap

function sheet(number) {
  if (!decoded.has(number)) {
    const blob = new Blob([bytesOf(latentlab.given.sheet(number))], {type: "image/webp"});
    decoded.set(number, createImageBitmap(blob).then(bitmap => {
      bitmaps.set(number, bitmap);
      forgetSheets(number);
      return bitmap;
    }));
  }
  return decoded.get(number);
}

function forgetSheets(newest) {
  let pixels = 0;
  for (const bitmap of bitmaps.values()) pixels += bitmap.width * bitmap.height;
  for (const [number, bitmap] of bitmaps) {
    if (pixels <= MOST_PIXELS) return;
    if (number === newest) continue;
    pixels -= bitmap.width * bitmap.height;
    bitmaps.delete(number);
    decoded.delete(number);
  }
}

// Where the tile of a row is: {sheet, x, y, width, height}.
function tile(row) {
  const number = store.place ? store.place[row] : row, {side, columns, perSheet} = store.data.atlas;
  const within = number % perSheet;
  const [width, height] = store.ratio ? [store.ratio[2 * number], store.ratio[2 * number + 1]] : [side, side];
  return {sheet: Math.floor(number / perSheet), x: within % columns * side, y: Math.floor(within / columns) * side, width, height};
}

// The pixels that the server is asked for to fill a square of CSS pixels.
function sideFor(size) {
  const wanted = size * Math.min(devicePixelRatio, 2);
  return SIDES.find(side => side >= wanted) ?? SIDES[SIDES.length - 1];
}
function address(row, size) { return `thumb/${store.position[row]}?side=${sideFor(size)}`; }
function originalAddress(row) { return `original/${store.position[row]}`; }

function load(source) {
  return new Promise((done, failed) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => failed(new Error("the picture did not load"));
    image.src = source;
  });
}

// Tiles of the server. What is wished for is asked for in sheets, the newest wishes first, then what is ahead.

const AT_ONCE = 4;             // sheets that the server makes at a time
const MOST_OF_SHEET = 512;     // pictures; the server makes no more
const PIXELS_OF_SHEET = 6e5;   // so that one is there soon
const MOST_WISHES = 2000;
const RAW_PITCH = 64;          // pixels of a square up to which a sheet is pixels, and no file
const CACHED_PIXELS = 40e6;      // of sheets at a time
const tiles = new Map();       // row -> {image, x, y, width, height, side, sheet}, or {side} for one that cannot be shown
const cached = new Set();      // sheets, the last used comes last
const wishes = new Map();      // row -> {side, turn, thens: Map from what is called to whether it still is needed}
const coming = new Map();      // row -> side
const largest = new Map();     // side -> pixels of the largest tile that came
let ahead = {rows: [], side: 0, passed: 0}, turn = 0, atWork = 0, isWaiting = false;
let delay = 0.05;              // seconds from a request to its pictures

const has = (row, side) => tiles.get(row)?.side >= side;

// The tile of a row, be it smaller than wanted; `then` is called once the right one has come, or none.
function servedTile(row, side, then, isNeeded = () => true) {
  const tile = tiles.get(row);
  if (!has(row, side)) wish(row, side, then, isNeeded);
  if (!tile?.image) return null;
  cached.delete(tile.sheet);
  cached.add(tile.sheet);
  return tile;
}
function wish(row, side, then, isNeeded) {
  const {thens, side: before} = wishes.get(row) ?? {thens: new Map(), side: 0};
  thens.set(then, isNeeded);
  wishes.delete(row);
  wishes.set(row, {side: Math.max(side, before), turn, thens});
  if (wishes.size > MOST_WISHES) wishes.delete(wishes.keys().next().value);
  askSoon();
}
// Rows that will be wished for, the next ones first. While one scrolls past so many rows a second, the first of them have passed
// before their pictures would come.
function prepare(rows, size, speed) {
  if (!store.position || !store.data.pictures) return;
  const side = sideFor(size);
  ahead = {rows: speed ? rows : rows.slice(0, 2 * mostOf(side)), side, passed: Math.min(rows.length * 3 >> 2, Math.round(speed * delay))};
  askSoon();
}
function askSoon() {
  if (isWaiting) return;
  isWaiting = true;
  setTimeout(() => { isWaiting = false; turn++; askNext(); }, 0);  // once the pictures stand on the page
}
function askNext() {
  while (atWork < AT_ONCE) {
    const batch = nextBatch();
    if (!batch.rows.length) return;
    ask(batch);
  }
}
function nextBatch() {
  for (const [row, {thens}] of wishes) if (![...thens.values()].some(isNeeded => isNeeded())) wishes.delete(row);
  const newest = [...wishes].sort(([, a], [, b]) => b.turn - a.turn), rows = new Set();
  let side = 0, most = 1;
  const take = (row, wanted) => {
    if (coming.get(row) >= wanted || has(row, wanted)) return;
    if (!side) [side, most] = [wanted, mostOf(wanted)];
    if (wanted === side && rows.size < most) rows.add(row);
  };
  const takeAhead = () => ahead.rows.forEach((row, i) => { if (i >= ahead.passed) take(row, ahead.side); });
  if (ahead.passed) takeAhead();
  for (const [row, {side: wanted}] of newest) take(row, wanted);
  takeAhead();
  return {side, rows: [...rows]};
}
function mostOf(side) {
  return Math.max(1, Math.min(MOST_OF_SHEET, Math.floor(PIXELS_OF_SHEET / (largest.get(side) ?? side) ** 2)));
}
async function ask({side, rows}) {
  const begun = performance.now();
  atWork++;
  for (const row of rows) coming.set(row, side);
  let made = [];
  try { made = await sheetOf(rows, side); } catch { /* they are shown by their names */ }
  atWork--;
  const passed = (performance.now() - begun) / 1000;
  delay = Math.max(passed, delay + (passed - delay) / 4);  // grows at once, and shrinks slowly
  rows.forEach((row, i) => {
    coming.delete(row);
    tiles.set(row, made[i] ?? {...tiles.get(row), side: Infinity});
  });
  fulfil(rows);
  askNext();
}
async function sheetOf(rows, side) {
  const body = JSON.stringify({side, positions: rows.map(row => store.position[row])});
  const answer = await fetch("sheet", {method: "POST", headers: {"Content-Type": "application/json"}, body});
  if (!answer.ok) throw new Error("the viewer gave no pictures");
  const buffer = await answer.arrayBuffer(), numbers = new DataView(buffer), number = i => numbers.getUint16(2 * i, true);
  const [pitch, columns, begin] = [number(0), number(1), 4 + 4 * rows.length];
  const image = pitch <= RAW_PITCH ? canvasOf(new Uint8ClampedArray(buffer, begin), columns * pitch)
    : await createImageBitmap(new Blob([new Uint8Array(buffer, begin)], {type: "image/jpeg"}));
  const sheet = {image, rows, pixels: image.width * image.height};
  keep(sheet);
  largest.set(side, Math.max(pitch, largest.get(side) ?? 0));
  return rows.map((_, i) => {
    const [width, height] = [number(2 + 2 * i), number(3 + 2 * i)];
    if (!width) return null;
    const isWhole = Math.max(width, height) < side;  // it has no more pixels
    return {image, sheet, width, height, x: i % columns * pitch, y: Math.floor(i / columns) * pitch, side: isWhole ? Infinity : side};
  });
}
// Pixels need no decoder, whose thread would have to be waited for.
function canvasOf(pixels, width) {
  const made = new ImageData(pixels, width), canvas = element("canvas", {width, height: made.height});
  canvas.getContext("2d").putImageData(made, 0, 0);
  return canvas;
}
function keep(sheet) {
  cached.add(sheet);
  let pixels = [...cached].reduce((sum, {pixels}) => sum + pixels, 0);
  for (const old of cached) {
    if (pixels <= CACHED_PIXELS || old === sheet) return;
    pixels -= old.pixels;
    cached.delete(old);
    for (const row of old.rows) if (tiles.get(row)?.sheet === old) tiles.delete(row);
    old.image.close?.();
  }
}
function fulfil(rows) {
  for (const row of rows) {
    const wished = wishes.get(row);
    if (!wished || !has(row, wished.side)) continue;
    wishes.delete(row);
    for (const [then, isNeeded] of wished.thens) if (isNeeded()) then();
  }
}

// The picture of a row as {image, x, y, width, height}; null if there is none.
async function picture(row, size) {
  if (!store.hasPicture(row)) return null;
  if (store.position) {
    const side = sideFor(size);
    await new Promise(done => { if (has(row, side)) done(); else wish(row, side, done, () => true); });
    return servedTile(row, side, () => {});
  }
  const place = tile(row);
  return {...place, image: await sheet(place.sheet)};
}

// The picture of a row if it is at hand, in the viewer perhaps a smaller one; `then` is called once the right one is.
function atHand(row, size, then, isNeeded) {
  if (!store.hasPicture(row)) return null;
  if (store.position) return servedTile(row, sideFor(size), then, isNeeded);
  const place = tile(row), image = bitmaps.get(place.sheet);
  if (image) return {...place, image};
  sheet(place.sheet).then(then);
  return null;
}

// Draws a picture into a box, whole and in the middle.
function contain(context, found, left, top, width, height) {
  const scale = Math.min(width / found.width, height / found.height);
  const [across, down] = [found.width * scale, found.height * scale];
  context.imageSmoothingEnabled = scale < 1 || Math.max(found.width, found.height) >= 48;
  context.imageSmoothingQuality = "high";
  context.drawImage(found.image, found.x, found.y, found.width, found.height,
    left + (width - across) / 2, top + (height - down) / 2, across, down);
}

// Draws the picture of a row; resolves to whether there was one.
async function draw(canvas, row) {
  const found = await picture(row, Math.max(canvas.width, canvas.height) / Math.min(devicePixelRatio, 2));
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  if (found) drawAlone(canvas, found);
  return Boolean(found);
}

// Shows the picture of a row in a holder of so many CSS pixels a side, or the name of the image. A holder may be used again.
const shown = new WeakMap();  // holder -> row
function show(holder, row, size) {
  shown.set(holder, row);
  const name = () => element("span", {class: "id"}, store.ids[row]);
  if (!store.hasPicture(row)) return holder.replaceChildren(name());
  const canvas = canvasIn(holder, Math.round(size * Math.min(devicePixelRatio, 2)));
  const isNeeded = () => shown.get(holder) === row && holder.isConnected;
  const drawNow = () => {
    if (shown.get(holder) !== row) return;
    const found = atHand(row, size, drawNow, isNeeded);
    if (found) drawAlone(canvas, found);
    else if (has(row, 1)) holder.replaceChildren(name());
  };
  drawNow();
}
// An empty canvas in a holder.
function canvasIn(holder, pixels) {
  const before = holder.firstElementChild;
  if (before?.localName === "canvas" && before.width === pixels) {
    before.getContext("2d").clearRect(0, 0, pixels, pixels);
    return before;
  }
  const canvas = element("canvas", {width: pixels, height: pixels});
  holder.replaceChildren(canvas);
  return canvas;
}
function drawAlone(canvas, found) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  contain(context, found, 0, 0, canvas.width, canvas.height);
}

const isQuiet = () => !atWork && !isWaiting;
latentlab.thumbs = {isQuiet, picture, atHand, contain, draw, show, prepare, address, originalAddress, load};
})();
