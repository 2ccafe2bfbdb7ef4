// A grid of pictures that holds only what is in view. Several may be on one page; each has its own state.
//
// latentlab.Grid(element, {label, show, prepare, describe, colourOf, onOpen, onPick, onCursor, size}) with
//   show(holder, row, size): puts the picture of a row into an element of so many pixels a side
//   prepare(rows, size, speed): is told which rows come next as one scrolls on, and how many one passes in a second
//   describe(row): its name;  colourOf(row): colour of its lower edge, or null
"use strict";
(() => {
const {element, inNextFrame} = latentlab;
const GAP = 6;
const TALLEST = 12e6;  // pixels that a browser scrolls through surely
const BESIDE = 1.5;    // views above and below that are ready
const MOST_BESIDE = 5; // of them where one scrolls so fast that a frame passes more
const BEHIND = 0.25;   // views that stay ready where one comes from, while one scrolls so fast
const AHEAD = 16;      // views further on whose pictures may be fetched
const MOST_AHEAD = 4000; // pictures of the next two seconds
const FAST = 0.25;     // views in a frame
const REST = 150;      // ms after which scrolling has ended
let made = 0;

function Grid(holder, options) {
  const name = `grid${++made}`;
  const space = element("div", {class: "space", role: "presentation"});
  const box = element("div", {class: "grid", role: "listbox", tabindex: "0", "aria-label": options.label, "aria-multiselectable": "true"}, space);
  holder.replaceChildren(box);
  const cells = new Map();  // place in the list -> its element
  const picked = new Set();
  let rows = new Int32Array(0), size = options.size ?? 128, columns = 1, drawn = size, pitch = size + GAP, cursor = -1, anchor = -1, lastTop = 0, lastTime = 0, restTimer = 0;

  // Where the cells are

  const lines = () => Math.ceil(rows.length / columns);
  const tall = () => lines() * pitch + GAP;
  const shownTall = () => Math.min(tall(), TALLEST);
  // What is scrolled past of all lines; the browser scrolls through less if there are very many.
  function scrolled() {
    const room = shownTall() - box.clientHeight;
    return room > 0 && tall() > TALLEST ? box.scrollTop / room * (tall() - box.clientHeight) : box.scrollTop;
  }
  function scrollToTop(top) {
    const room = tall() - box.clientHeight;
    box.scrollTop = room > 0 && tall() > TALLEST ? top / room * (shownTall() - box.clientHeight) : top;
    lastTop = scrolled();  // a jump is no speed
  }
  function layOut() {
    const across = box.clientWidth - GAP;
    if (across <= 0) return;
    const first = Math.floor(scrolled() / pitch) * columns;
    columns = Math.max(1, Math.round(across / (size + GAP)));
    pitch = Math.floor(across / columns);  // pictures of about the size, so that they fill the line
    drawn = pitch - GAP;
    space.style.height = `${shownTall()}px`;
    clear();
    scrollToTop(Math.floor(first / columns) * pitch);
    fill();
  }
  function clear() {
    for (const cell of cells.values()) cell.remove();
    cells.clear();
  }

  // Cells

  const refill = inNextFrame(() => fill());
  function fill() {
    const top = scrolled(), room = box.clientHeight;  // read before anything changes: it would be laid out once more
    if (!room) return;
    const views = (top - lastTop) / room;  // passed since the last frame
    const now = performance.now(), speed = Math.abs(views) > FAST ? Math.abs(top - lastTop) / pitch * columns / (now - lastTime) * 1000 : 0;
    [lastTop, lastTime] = [top, now];
    const [from, to] = rangeAround(top, room, views), spare = [], shift = box.scrollTop - top;
    for (const [place, cell] of cells) if (place < from || place >= to) { spare.push(cell); cells.delete(place); }
    for (const place of missing(from, to, Math.floor((top + room / 2) / pitch) * columns)) {
      const cell = spare.pop() ?? newCell();
      cells.set(place, cell);
      give(cell, place, shift);
    }
    for (const cell of spare) cell.remove();
    if (shift) for (const [place, cell] of cells) put(cell, place, shift);
    clearTimeout(restTimer);
    if (Math.abs(views) > FAST) restTimer = setTimeout(() => { sortCells(); fill(); }, REST);
    else sortCells();
    prepare(from, to, room, views, speed);
  }
  // The places of the cells that are ready: more of them the faster one scrolls, where one scrolls to.
  function rangeAround(top, room, views) {
    const far = Math.min(MOST_BESIDE, Math.max(BESIDE, 2 * Math.abs(views))), near = far > BESIDE ? BEHIND : BESIDE;
    const [above, below] = views < 0 ? [far, near] : [near, far];
    return [Math.max(0, Math.floor((top - room * above) / pitch)) * columns,
      Math.min(rows.length, Math.ceil((top + room * (1 + below)) / pitch) * columns)];
  }
  // What is in view comes before what is beside it.
  function missing(from, to, middle) {
    const places = [];
    for (let place = from; place < to; place++) if (!cells.has(place)) places.push(place);
    return places.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
  }
  function prepare(from, to, room, views, speed) {
    const inView = Math.ceil(room / pitch) * columns, most = Math.max(inView * AHEAD, Math.min(MOST_AHEAD, 2 * speed));
    // While one scrolls fast, those that are in view next come first, be they cells or not yet.
    const [low, high] = speed ? [Math.floor(lastTop / pitch) * columns, Math.floor(lastTop / pitch) * columns + inView] : [from, to];
    options.prepare?.(views < 0 ? rows.slice(Math.max(0, low - most), low).reverse() : rows.slice(high, high + most), drawn - 6, speed);
  }
  function newCell() {
    const cell = element("div", {role: "option", class: "cell", style: {width: `${drawn}px`, height: `${drawn}px`}},
      element("span", {class: "picture"}), element("span", {class: "tick", "aria-hidden": "true"}));
    space.append(cell);
    return cell;
  }
  // Lets a cell show another place; a new one costs ten times as much.
  function give(cell, place, shift) {
    const row = rows[place], text = latentlab.plain(options.describe(row));
    const attributes = {id: `${name}-${place}`, "aria-setsize": rows.length, "aria-posinset": place + 1, "aria-label": text, title: text,
      "data-place": place, "data-row": row};
    for (const attribute in attributes) cell.setAttribute(attribute, attributes[attribute]);
    put(cell, place, shift);
    options.show(cell.firstElementChild, row, drawn - 6);
    dress(cell, place);
  }
  function put(cell, place, shift) {
    cell.style.transform = `translate(${GAP + place % columns * pitch}px, ${GAP + Math.floor(place / columns) * pitch + shift}px)`;
  }
  // Readers go through the cells in the order of the document.
  function sortCells() {
    let before = -1, isSorted = true;
    for (const cell of space.children) {
      const place = Number(cell.dataset.place);
      if (place < before) isSorted = false;
      before = place;
    }
    if (!isSorted) space.append(...[...space.children].sort((a, b) => a.dataset.place - b.dataset.place));
  }
  function dress(cell, place) {
    const row = rows[place];
    cell.setAttribute("aria-selected", String(picked.has(row)));
    cell.classList.toggle("cursor", place === cursor);
    cell.style.borderBottomColor = options.colourOf?.(row) ?? "transparent";
    const badge = options.badge?.(row) ?? "";
    let sign = cell.querySelector(".badge");
    if (badge && !sign) cell.append(sign = element("span", {class: "badge"}));
    if (sign) { sign.textContent = latentlab.plain(badge); sign.hidden = !badge; }
  }
  function redress() { for (const [place, cell] of cells) dress(cell, place); }

  // The cursor

  function reveal(place) {
    const line = Math.floor(place / columns) * pitch, top = scrolled();
    if (line < top) scrollToTop(line);
    else if (line + pitch + GAP > top + box.clientHeight) scrollToTop(line + pitch + GAP - box.clientHeight);
    fill();
  }
  function setCursor(place, tells = true) {
    if (!rows.length) return;
    cursor = Math.max(0, Math.min(rows.length - 1, place));
    reveal(cursor);
    box.setAttribute("aria-activedescendant", `${name}-${cursor}`);
    redress();
    if (tells) options.onCursor?.(rows[cursor]);
  }

  // What is picked

  function toldPick() {
    redress();
    options.onPick?.(picked);
  }
  function toggle(place) {
    const row = rows[place];
    picked.has(row) ? picked.delete(row) : picked.add(row);
    anchor = place;
    toldPick();
  }
  function pickRange(from, to) {
    for (let place = Math.min(from, to); place <= Math.max(from, to); place++) picked.add(rows[place]);
    toldPick();
  }
  function pickAll() { rows.forEach(row => picked.add(row)); toldPick(); }
  function pickNone() { picked.clear(); anchor = -1; toldPick(); }

  // Mouse and keys

  const placeOf = event => Number(event.target.closest?.(".cell")?.dataset.place ?? -1);
  box.addEventListener("click", event => {
    const place = placeOf(event);
    if (place < 0) return;
    setCursor(place);
    if (event.shiftKey && anchor >= 0) pickRange(anchor, place);
    else if (event.ctrlKey || event.metaKey || event.target.closest(".tick")) toggle(place);
    else options.onOpen?.(rows[place], place);
  });
  box.addEventListener("pointerover", event => { const place = placeOf(event); options.onHover?.(place < 0 ? null : rows[place]); });
  box.addEventListener("pointerleave", () => options.onHover?.(null));
  const perView = () => Math.max(1, Math.floor(box.clientHeight / pitch)) * columns;
  const steps = {
    ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: () => columns, ArrowUp: () => -columns,
    PageDown: perView, PageUp: () => -perView(), Home: () => -rows.length, End: () => rows.length,
  };
  function step(key, extends_) {
    const from = cursor;
    const by = steps[key](), next = cursor < 0 ? (by > 1 && key === "End" ? rows.length - 1 : 0) : cursor + by;
    if (key === "ArrowDown" && next >= rows.length && Math.floor(cursor / columns) === lines() - 1) return;
    if (key === "ArrowUp" && next < 0) return;
    setCursor(next);
    if (extends_ && from >= 0) { if (anchor < 0) anchor = from; pickRange(anchor, cursor); }
  }
  box.addEventListener("keydown", event => {
    if (event.altKey || !rows.length) return;
    const commands = event.ctrlKey || event.metaKey;
    if (commands && event.key.toLowerCase() === "a") pickAll();
    else if (steps[event.key]) step(event.key, event.shiftKey);
    else if (event.key === " " && cursor >= 0) toggle(cursor);
    else if (event.key === "Enter" && cursor >= 0) options.onOpen?.(rows[cursor], cursor);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  box.addEventListener("focus", () => { if (cursor < 0 && rows.length && box.matches(":focus-visible")) setCursor(0); });
  box.addEventListener("scroll", refill, {passive: true});

  // A grid that was hidden for a while and comes back as wide as it was stays where it was scrolled to.
  let wide = 0;
  new ResizeObserver(() => {
    if (!box.clientWidth) return;
    if (box.clientWidth === wide) return fill();
    wide = box.clientWidth;
    layOut();
    if (cursor >= 0) reveal(cursor);
  }).observe(box);

  return {
    element: box, picked,
    get rows() { return rows; },
    get cursor() { return cursor < 0 ? null : rows[cursor]; },
    get size() { return size; },
    get columns() { return columns; },
    setRows(newRows, keeps = false) {
      const row = cursor < 0 ? -1 : rows[cursor], top = box.scrollTop;
      rows = newRows;
      cursor = keeps && row >= 0 ? rows.indexOf(row) : -1;
      anchor = -1;
      box.removeAttribute("aria-activedescendant");
      clear();
      space.style.height = `${shownTall()}px`;
      box.scrollTop = keeps ? top : 0;
      layOut();
      if (cursor >= 0) setCursor(cursor, false);
    },
    setLabel(text) { box.setAttribute("aria-label", latentlab.plain(text)); },
    setSize(pixels) { size = pixels; layOut(); if (cursor >= 0) setCursor(cursor, false); },
    goTo(row, tells = false) { const place = rows.indexOf(row); if (place >= 0) setCursor(place, tells); },
    focus() { box.focus({preventScroll: true}); if (cursor < 0) setCursor(0); },
    relabel() { for (const [place, cell] of cells) give(cell, place, box.scrollTop - scrolled()); },
    redress, pickAll, pickNone,
    toggle(row) { const place = rows.indexOf(row); if (place >= 0) toggle(place); },
  };
}
latentlab.Grid = Grid;
})();
