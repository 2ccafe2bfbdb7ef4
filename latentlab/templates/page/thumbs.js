// Small pictures: tiles of the file's sheets, or files of the server in the size that is asked for.
"use strict";
(() => {
const {store, bytesOf, element} = latentlab;
const SIDES = [96, 128, 192, 256, 384, 512];  // pixels that the server is asked for, few, so that the browser keeps them
const MOST_LOADED = 1500;
const MOST_PENDING = 24;  // pictures that the server is asked for at a time; a browser refuses thousands
const MOST_PIXELS = 120e6;  // of decoded sheets at a time
const decoded = new Map();  // number of a sheet -> promise of its bitmap
const bitmaps = new Map();  // number of a sheet -> bitmap
const loaded = new Map();   // address -> image, or null while it loads

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

// The address of a row's picture in about the size of a square of CSS pixels.
function address(row, size) {
  const wanted = size * Math.min(devicePixelRatio, 2);
  const side = SIDES.find(one => one >= wanted) ?? SIDES[SIDES.length - 1];
  return `thumb/${store.position[row]}?side=${side}`;
}
function originalAddress(row) { return `original/${store.position[row]}`; }

function load(source) {
  return new Promise((done, failed) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => failed(new Error("the picture did not load"));
    image.src = source;
  });
}

// The picture of a row as {image, x, y, width, height}; null if there is none.
async function picture(row, size) {
  if (!store.hasPicture(row)) return null;
  if (store.position) {
    const image = await load(address(row, size));
    return {image, x: 0, y: 0, width: image.naturalWidth, height: image.naturalHeight};
  }
  const place = tile(row);
  return {...place, image: await sheet(place.sheet)};
}

// The picture of a row if it is at hand; else null, and `then` is called once it is.
function atHand(row, size, then) {
  if (!store.hasPicture(row)) return null;
  if (store.position) return loadedPicture(address(row, size), then);
  const place = tile(row), image = bitmaps.get(place.sheet);
  if (image) return {...place, image};
  sheet(place.sheet).then(then);
  return null;
}

function loadedPicture(source, then) {
  const image = loaded.get(source);
  if (image) return {image, x: 0, y: 0, width: image.naturalWidth, height: image.naturalHeight};
  if (image === null) return null;
  if (loaded.size >= MOST_LOADED) loaded.delete(loaded.keys().next().value);
  loaded.set(source, null);
  load(source).then(one => { loaded.set(source, one); then(); }, () => {});
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
  const found = await picture(row, Math.max(canvas.width, canvas.height));
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (found) contain(context, found, 0, 0, canvas.width, canvas.height);
  return Boolean(found);
}

// Pictures that wait for the server, the newest first: those before it may have scrolled away.
const waiting = [];
let pending = 0;
function loadInTurn(image, source) {
  waiting.push([image, source]);
  setTimeout(loadNext, 0);  // once the picture stands on the page
}
function loadNext() {
  while (pending < MOST_PENDING && waiting.length) {
    const [image, source] = waiting.pop();
    if (!image.isConnected) continue;
    pending++;
    const ended = () => { pending--; loadNext(); };
    image.addEventListener("load", ended, {once: true});
    image.addEventListener("error", ended, {once: true});
    image.src = source;
  }
}

// Shows the picture of a row in a holder of so many CSS pixels a side, or the name of the image.
function show(holder, row, size) {
  if (!store.hasPicture(row)) return holder.replaceChildren(element("span", {class: "id"}, store.ids[row]));
  if (store.position) {
    const image = element("img", {alt: "", draggable: "false", decoding: "async"});
    image.onerror = () => holder.replaceChildren(element("span", {class: "id"}, store.ids[row]));
    image.onload = () => image.classList.toggle("few", image.naturalWidth < 48);
    holder.replaceChildren(image);
    return loadInTurn(image, address(row, size));
  }
  const pixels = Math.round(size * Math.min(devicePixelRatio, 2));
  const canvas = element("canvas", {width: pixels, height: pixels});
  const drawNow = () => contain(canvas.getContext("2d"), atHand(row, size, () => {}), 0, 0, pixels, pixels);
  if (atHand(row, size, drawNow)) drawNow();
  return holder.replaceChildren(canvas);
}

latentlab.thumbs = {picture, atHand, contain, draw, show, address, originalAddress, load};
})();
