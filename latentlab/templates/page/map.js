// A map of points on a canvas: moves, zooms, selects. Several may be on one page; each has its own state.
//
// latentlab.Map(element, {xy, label, picture, onHover, onOpen, onSelect, onName, onView}) with
//   xy: Float32Array x0, y0, x1, y1, ...
//   picture(row, size, then): a picture that is at hand, see thumbs.js; null for dots only
"use strict";
(() => {
const {element, inNextFrame, button, plain} = latentlab;
const CIRCLES = 5000;        // points up to which each is a smooth circle
const WHILE_MOVING = 150000; // points drawn while the map moves
const REST = 140;            // ms after which all are drawn
const PICTURES = 700;        // points in view up to which pictures stand on the map
const PICTURE_SIDE = 44;
const NEAR = 9;              // pixels in which a point is hit
const TOOLS = 34;      // pixels below the points, where the tools are
const FADED = 0.16;          // of the colour of points beside those that are meant

// Random order of drawing, the same each time: points of the last cluster would otherwise cover all others.
function shuffled(n) {
  const order = new Int32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  let seed = 32;
  for (let i = n - 1; i > 0; i--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = Math.floor(seed / 4294967296 * (i + 1));
    const row = order[i];
    order[i] = order[j];
    order[j] = row;
  }
  return order;
}

function extentOf(xy) {
  let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < xy.length; i += 2) {
    if (xy[i] < left) left = xy[i];
    if (xy[i] > right) right = xy[i];
    if (xy[i + 1] < bottom) bottom = xy[i + 1];
    if (xy[i + 1] > top) top = xy[i + 1];
  }
  return left <= right ? [left, right, bottom, top] : [0, 1, 0, 1];
}

// Points by cells of a square, so that those near a place are found fast.
function cellsOf(xy, [left, right, bottom, top]) {
  const n = xy.length / 2, across = Math.max(1, Math.min(512, Math.ceil(Math.sqrt(n / 4))));
  const size = Math.max(right - left, top - bottom, 1e-9) / across * 1.0001;
  const cell = new Int32Array(n), starts = new Int32Array(across * across + 1);
  for (let row = 0; row < n; row++) {
    cell[row] = Math.floor((xy[2 * row + 1] - bottom) / size) * across + Math.floor((xy[2 * row] - left) / size);
    starts[cell[row] + 1]++;
  }
  for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
  const next = starts.slice(), rows = new Int32Array(n);
  for (let row = 0; row < n; row++) rows[next[cell[row]]++] = row;
  const clamp = value => Math.max(0, Math.min(across - 1, value));
  return function* near(x0, x1, y0, y1) {
    for (let v = clamp(Math.floor((y0 - bottom) / size)); v <= clamp(Math.floor((y1 - bottom) / size)); v++) {
      for (let u = clamp(Math.floor((x0 - left) / size)); u <= clamp(Math.floor((x1 - left) / size)); u++) {
        for (let i = starts[v * across + u]; i < starts[v * across + u + 1]; i++) yield rows[i];
      }
    }
  };
}

function contains(corners, x, y) {
  let inside = false;
  for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
    const [ax, ay] = corners[i], [bx, by] = corners[j];
    if ((ay > y) !== (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

function channels(colour) { return [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16)); }
function packed([red, green, blue]) { return (255 << 24 | blue << 16 | green << 8 | red) >>> 0; }

function LatentMap(holder, options) {
  const {xy} = options, n = xy.length / 2;
  const order = shuffled(n), extent = extentOf(xy);
  let cells = null;
  const near = (...box) => (cells ??= cellsOf(xy, extent))(...box);  // made when it is first asked for
  const xs = new Float32Array(n), ys = new Float32Array(n);  // in the order of drawing, as inks and levels
  for (let i = 0; i < n; i++) { xs[i] = xy[2 * order[i]]; ys[i] = xy[2 * order[i] + 1]; }
  const inks = new Uint32Array(n), levels = new Uint8Array(n);  // levels: 0 hidden, 1 faded, 2 shown
  const points = element("canvas", {"aria-hidden": "true"}), above = element("canvas", {"aria-hidden": "true"});
  const surface = element("div", {class: "surface", tabindex: "0", role: "application", "aria-label": options.label,
    "aria-describedby": options.describedBy}, points, above);
  const bar = element("div", {class: "map-tools", role: "group", "aria-label": options.toolsLabel ?? "Tools of the map"});
  holder.replaceChildren(surface, bar);

  const view = {x: (extent[0] + extent[1]) / 2, y: (extent[2] + extent[3]) / 2, scale: 1};  // scale: pixels per unit
  let width = 1, height = 1, dense = 1, pixels = null, buffer = null;
  let colours = null, named = [], placedNames = [], ring = null, hint = null, tool = "move", lasso = null, isMoving = false, restTimer = 0;
  let whole = 1, showsPictures = Boolean(options.picture), levelOf = null, base = [255, 255, 255], showsAll = true, glide = 0;
  const map = {frames: 0, element: surface};

  // Places

  const toX = x => width / 2 + (x - view.x) * view.scale;
  const toY = y => height / 2 - (y - view.y) * view.scale;
  const fromX = x => view.x + (x - width / 2) / view.scale;
  const fromY = y => view.y - (y - height / 2) / view.scale;
  function placeOf(row) { return [toX(xy[2 * row]), toY(xy[2 * row + 1])]; }
  function isShown(row) { return !levelOf || levelOf[row] > 0; }

  function fitScale() {
    const room = Math.min(48, Math.min(width, height) / 8);
    return Math.min((width - room) / Math.max(extent[1] - extent[0], 1e-6), (height - room - TOOLS) / Math.max(extent[3] - extent[2], 1e-6));
  }
  function showAll() {
    cancelAnimationFrame(glide);
    fit();
    moved();
  }
  function fit() {
    whole = fitScale();
    showsAll = true;
    Object.assign(view, {x: (extent[0] + extent[1]) / 2, y: (extent[2] + extent[3]) / 2 - TOOLS / 2 / whole, scale: whole});
  }
  function zoom(factor, x = width / 2, y = height / 2) {
    const [atX, atY] = [fromX(x), fromY(y)];
    showsAll = false;
    view.scale = Math.max(whole / 4, Math.min(whole * 2000, view.scale * factor));
    view.x = atX - (x - width / 2) / view.scale;
    view.y = atY + (y - height / 2) / view.scale;
    moved();
  }
  function pan(right, down) {
    showsAll = false;
    view.x -= right / view.scale;
    view.y += down / view.scale;
    moved();
  }
  function centre(row, scale = view.scale) { glideTo(xy[2 * row], xy[2 * row + 1], scale); }
  // Shows some rows, as large as they can be.
  function showRows(rows) {
    if (!rows.length) return;
    const [left, right, bottom, top] = extentOf(Float32Array.from({length: 2 * rows.length}, (_, i) => xy[2 * rows[i >> 1] + (i & 1)]));
    const scale = Math.min((width - 80) / Math.max(right - left, 1e-6), (height - 80) / Math.max(top - bottom, 1e-6), whole * 20);
    glideTo((left + right) / 2, (bottom + top) / 2, Math.max(whole, scale));
  }
  function glideTo(x, y, scale) {
    cancelAnimationFrame(glide);
    showsAll = false;
    const from = {...view}, began = performance.now();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches || options.still) { Object.assign(view, {x, y, scale}); return moved(); }
    const step = now => {
      const part = Math.min(1, Math.max(0, (now - began) / 180)), eased = part * (2 - part);
      Object.assign(view, {x: from.x + (x - from.x) * eased, y: from.y + (y - from.y) * eased, scale: from.scale * (scale / from.scale) ** eased});
      moved();
      if (part < 1) glide = requestAnimationFrame(step);
    };
    glide = requestAnimationFrame(step);
  }
  function moved() {
    isMoving = true;
    clearTimeout(restTimer);
    restTimer = setTimeout(() => { isMoving = false; if (n > WHILE_MOVING) redraw(); options.onView?.({...view}); }, REST);
    redraw();
  }

  // Drawing

  const redraw = inNextFrame(() => {
    if (!width || !height) return;
    readTheme();
    const size = radius();
    if (n <= CIRCLES) drawCircles(size);
    else drawStamps(size);
    drawAbove(size);
    map.frames++;
  });
  function readTheme() {
    const told = getComputedStyle(holder).getPropertyValue("--page").trim();
    const found = /^#[0-9a-f]{6}$/i.test(told) ? channels(told) : [255, 255, 255];
    if (found.join() === base.join()) return;
    base = found;
    if (colours) paintInks();
  }
  function radius() {
    const plainly = Math.max(1.5, Math.min(4.5, 150 / Math.sqrt(n)));
    return plainly * Math.min(2.2, Math.max(1, (view.scale / whole) ** 0.35));
  }
  function paintInks() {
    const faded = new Map();
    for (let i = 0; i < n; i++) {
      const row = order[i], colour = colours[row];
      levels[i] = levelOf ? levelOf[row] : 2;
      if (levels[i] === 1) {
        if (!faded.has(colour)) faded.set(colour, fade(colour));
        inks[i] = faded.get(colour);
      } else inks[i] = colour;
    }
  }
  function fade(colour) {
    const parts = [colour & 255, colour >> 8 & 255, colour >> 16 & 255];
    return packed(parts.map((part, i) => Math.round(base[i] + (part - base[i]) * FADED)));
  }
  const inkTexts = new Map();
  function inkText(ink) {
    if (!inkTexts.has(ink)) inkTexts.set(ink, `rgb(${ink & 255} ${ink >> 8 & 255} ${ink >> 16 & 255})`);
    return inkTexts.get(ink);
  }
  function drawCircles(size) {
    const context = points.getContext("2d");
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, width, height);
    for (const level of [1, 2]) {
      context.globalAlpha = level === 2 ? 0.85 : 1;
      for (let i = 0; i < n; i++) {
        if (levels[i] !== level) continue;
        const x = toX(xs[i]), y = toY(ys[i]);
        if (x < -size || y < -size || x > width + size || y > height + size) continue;
        context.fillStyle = inkText(inks[i]);
        context.beginPath();
        context.arc(x, y, size, 0, 2 * Math.PI);
        context.fill();
      }
    }
    context.globalAlpha = 1;
  }
  // Many points: each is stamped into the bytes of the picture, row by row of its disc.
  function drawStamps(size) {
    const across = points.width, down = points.height;
    if (!pixels || pixels.width !== across || pixels.height !== down) {
      pixels = new ImageData(across, down);
      buffer = new Uint32Array(pixels.data.buffer);
    }
    buffer.fill(0);
    const spans = spansOf(size * dense), reach = spans.length >> 1;
    const scale = view.scale * dense, left = across / 2 - view.x * scale, top = down / 2 + view.y * scale;
    const most = isMoving ? Math.min(n, WHILE_MOVING) : n;
    for (let level = 1; level <= 2; level++) {
      for (let i = 0; i < most; i++) {
        if (levels[i] !== level) continue;
        const x = left + xs[i] * scale | 0, y = top - ys[i] * scale | 0;
        if (x < reach || y < reach || x >= across - reach || y >= down - reach) continue;
        const ink = inks[i];
        for (let v = -reach; v <= reach; v++) {
          const half = spans[v + reach], from = (y + v) * across + x;
          for (let at = from - half; at <= from + half; at++) buffer[at] = ink;
        }
      }
    }
    points.getContext("2d").putImageData(pixels, 0, 0);
  }
  function spansOf(size) {
    const reach = Math.max(0, Math.round(size - 0.5));
    return Array.from({length: 2 * reach + 1}, (_, i) => Math.floor(Math.sqrt(Math.max(0, size * size - (i - reach) ** 2))) || 0)
      .map(half => Math.min(half, reach));
  }
  function drawAbove(size) {
    const context = above.getContext("2d");
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, width, height);
    if (showsPictures && !(isMoving && n > 20000)) drawPictures(context);
    drawNames(context);
    for (const [row, thick] of [[hint, 2], [ring, 3]]) if (row !== null) drawRing(context, placeOf(row), size + 5, thick);
    if (lasso) drawLasso(context);
  }
  function inView(margin = 0) {
    if (showsAll && !levelOf && n > PICTURES) return null;
    const found = [];
    for (const row of near(fromX(-margin), fromX(width + margin), fromY(height + margin), fromY(-margin))) {
      if (isShown(row)) found.push(row);
      if (found.length > PICTURES) return null;
    }
    return found;
  }
  // Pictures stand where few points are in view, none over another; the rest stay dots.
  function drawPictures(context) {
    const rows = inView(PICTURE_SIDE / 2);
    if (!rows) return;
    const side = PICTURE_SIDE * Math.min(2, Math.max(1, (view.scale / whole) ** 0.25)), taken = [];
    if (ring !== null && rows.includes(ring)) rows.unshift(ring);
    for (const row of rows) {
      if (levelOf && levelOf[row] < 2) continue;
      const [x, y] = placeOf(row);
      if (taken.some(([u, v]) => Math.abs(u - x) < side + 4 && Math.abs(v - y) < side + 4)) continue;
      const found = options.picture(row, side, redraw);
      if (!found) continue;
      taken.push([x, y]);
      const scale = side / Math.max(found.width, found.height), [w, h] = [found.width * scale, found.height * scale];
      context.fillStyle = inkText(colours[row]);
      context.fillRect(x - w / 2 - 2, y - h / 2 - 2, w + 4, h + 4);
      context.imageSmoothingEnabled = scale < 1 || Math.max(found.width, found.height) >= 48;
      context.drawImage(found.image, found.x, found.y, found.width, found.height, x - w / 2, y - h / 2, w, h);
    }
  }
  function drawNames(context) {
    placedNames = [];
    context.font = "600 12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "center";
    for (const name of named) {
      const text = plain(name.text), w = context.measureText(text).width + 10, h = 19;
      if (toX(name.x) < 0 || toX(name.x) > width || toY(name.y) < 0 || toY(name.y) > height) continue;
      const x = Math.max(w / 2 + 2, Math.min(width - w / 2 - 2, toX(name.x))), y = Math.max(h / 2 + 2, Math.min(height - TOOLS - h / 2, toY(name.y)));
      if (placedNames.some(one => Math.abs(one.x - x) < (one.w + w) / 2 && Math.abs(one.y - y) < h)) continue;
      placedNames.push({...name, x, y, w, h});
      context.fillStyle = name.colour;
      context.strokeStyle = inkText(packed(base));
      context.lineWidth = 1.5;
      context.beginPath();
      context.roundRect(x - w / 2, y - h / 2, w, h, 4);
      context.fill();
      context.stroke();
      context.fillStyle = name.ink;
      context.fillText(text, x, y + 0.5);
    }
  }
  function drawRing(context, [x, y], size, thick) {
    for (const [colour, line] of [[inkText(packed(base)), thick + 3], [getComputedStyle(holder).color, thick]]) {
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.beginPath();
      context.arc(x, y, size, 0, 2 * Math.PI);
      context.stroke();
    }
  }
  function drawLasso(context) {
    context.strokeStyle = getComputedStyle(holder).color;
    context.lineWidth = 1.5;
    context.setLineDash([5, 4]);
    context.beginPath();
    lasso.forEach(([x, y], i) => i ? context.lineTo(x, y) : context.moveTo(x, y));
    context.closePath();
    context.stroke();
    context.globalAlpha = 0.1;
    context.fillStyle = getComputedStyle(holder).color;
    context.fill();
    context.globalAlpha = 1;
    context.setLineDash([]);
  }

  // Mouse and touch

  function hit(x, y) {
    let best = null, least = NEAR * NEAR;
    const reach = NEAR / view.scale;
    for (const row of near(fromX(x) - reach, fromX(x) + reach, fromY(y) - reach, fromY(y) + reach)) {
      if (!isShown(row)) continue;
      const [u, v] = placeOf(row), apart = (u - x) ** 2 + (v - y) ** 2;
      if (apart < least) [best, least] = [row, apart];
    }
    return best;
  }
  const nameAt = (x, y) => placedNames.find(one => Math.abs(one.x - x) < one.w / 2 && Math.abs(one.y - y) < one.h / 2);
  const pointers = new Map();
  let pressed = null;
  function local(event) {
    const box = surface.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
  surface.addEventListener("pointerdown", event => {
    if (event.button > 0) return;
    try { surface.setPointerCapture(event.pointerId); } catch { /* a pointer that is gone already */ }
    pointers.set(event.pointerId, local(event));
    if (pointers.size > 1) { pressed = lasso = null; return; }
    pressed = {from: local(event), moved: false};
    if (tool === "lasso" || event.shiftKey) lasso = [local(event)];
    options.onHover?.(null);
  });
  surface.addEventListener("pointermove", event => {
    const at = local(event), before = pointers.get(event.pointerId);
    if (!before) return hoverAt(at);
    if (pointers.size === 2) pinch(event.pointerId, at);
    pointers.set(event.pointerId, at);
    if (!pressed) return;
    if (Math.hypot(at[0] - pressed.from[0], at[1] - pressed.from[1]) > 4) pressed.moved = true;
    if (lasso) { lasso.push(at); redraw(); }
    else if (pressed.moved) pan(at[0] - before[0], at[1] - before[1]);
  });
  function pinch(moving, at) {
    const [other] = [...pointers].filter(([id]) => id !== moving).map(([, place]) => place), before = pointers.get(moving);
    const apart = Math.hypot(at[0] - other[0], at[1] - other[1]), was = Math.hypot(before[0] - other[0], before[1] - other[1]);
    pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    if (was > 0) zoom(apart / was, (at[0] + other[0]) / 2, (at[1] + other[1]) / 2);
  }
  function release(event) {
    const at = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    if (!pressed || !at) return;
    const done = pressed, drawn = lasso;
    pressed = lasso = null;
    if (drawn && drawn.length > 2) finishLasso(drawn);
    else if (!done.moved) click(at);
    redraw();
  }
  function click([x, y]) {
    const name = nameAt(x, y);
    if (name && options.onName) return options.onName(name.category);
    const row = hit(x, y);
    if (row !== null) options.onOpen?.(row);
  }
  surface.addEventListener("pointerup", release);
  surface.addEventListener("pointercancel", event => { pointers.delete(event.pointerId); pressed = lasso = null; redraw(); });
  surface.addEventListener("pointerleave", () => options.onHover?.(null));
  surface.addEventListener("wheel", event => {
    const [x, y] = local(event);
    zoom(Math.exp(-Math.max(-240, Math.min(240, event.deltaY * (event.deltaMode ? 24 : 1))) / 320), x, y);
    event.preventDefault();
  }, {passive: false});
  surface.addEventListener("dblclick", event => zoom(2, ...local(event)));
  function hoverAt([x, y]) {
    const name = nameAt(x, y), row = name ? null : hit(x, y);
    surface.style.cursor = name || row !== null ? "pointer" : tool === "lasso" ? "crosshair" : "grab";
    options.onHover?.(row, x, y);
  }
  function finishLasso(corners) {
    const xs = corners.map(([x]) => x), ys = corners.map(([, y]) => y);
    const rows = [];
    for (const row of near(fromX(Math.min(...xs)), fromX(Math.max(...xs)), fromY(Math.max(...ys)), fromY(Math.min(...ys)))) {
      if (isShown(row) && contains(corners, ...placeOf(row))) rows.push(row);
    }
    options.onSelect?.(Int32Array.from(rows).sort());
  }
  function selectView() {
    const rows = [];
    for (const row of near(fromX(0), fromX(width), fromY(height), fromY(0))) {
      const [x, y] = placeOf(row);
      if (isShown(row) && x >= 0 && y >= 0 && x <= width && y <= height) rows.push(row);
    }
    options.onSelect?.(Int32Array.from(rows).sort());
  }

  // Tools and keys

  function setTool(wanted) {
    tool = wanted;
    for (const one of bar.querySelectorAll("[data-tool]")) one.setAttribute("aria-pressed", String(one.dataset.tool === tool));
    surface.style.cursor = tool === "lasso" ? "crosshair" : "grab";
  }
  function toggleTool(name) { setTool(tool === name ? "move" : name); }
  function setPictures(on) {
    showsPictures = on;
    bar.querySelector(".pictures")?.setAttribute("aria-pressed", String(on));
    redraw();
  }
  const lassoTool = button("Lasso", () => toggleTool("lasso"), {class: "lasso", id: options.lassoId, "aria-pressed": "false", "data-tool": "lasso",
    title: "Draw around points to select them (Shift and drag)"});
  bar.append(...[
    options.onSelect && lassoTool,
    options.onSelect && button("Select view", selectView, {title: "Select every point in view"}),
    button("+", () => zoom(1.5), {"aria-label": "Zoom in", title: "Zoom in"}),
    button("−", () => zoom(1 / 1.5), {"aria-label": "Zoom out", title: "Zoom out"}),
    button("Show all", showAll, {title: "Show every point (0)"}),
    options.picture && button("Pictures", () => setPictures(!showsPictures), {class: "pictures", "aria-pressed": "true",
      title: "Pictures on the map where few points are in view"}),
  ].filter(Boolean));
  const keys = {
    ArrowLeft: () => pan(width / 8, 0), ArrowRight: () => pan(-width / 8, 0), ArrowUp: () => pan(0, height / 8), ArrowDown: () => pan(0, -height / 8),
    "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: showAll,
  };
  surface.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    keys[event.key]();
    event.preventDefault();
  });

  // Size

  function resize() {
    const box = surface.getBoundingClientRect();
    if (!box.width || !box.height) return;
    [width, height, dense] = [box.width, box.height, Math.min(devicePixelRatio, 2)];
    for (const canvas of [points, above]) {
      canvas.width = Math.round(width * dense);
      canvas.height = Math.round(height * dense);
    }
    const was = whole;
    if (showsAll) fit();
    else {
      whole = fitScale();
      view.scale *= whole / was;
    }
    redraw();
  }
  new ResizeObserver(resize).observe(surface);
  resize();

  return Object.assign(map, {
    // Colours by row, and levels by row: 0 hidden, 1 faded, 2 shown; null if all are shown.
    paint(newColours, newLevels) { [colours, levelOf] = [newColours, newLevels]; paintInks(); redraw(); },
    // Names on the map: {x, y, text, colour, ink, category} of each; the first goes before those that would cover it.
    setNames(names) { named = names; redraw(); },
    setRing(row) { ring = row; redraw(); },
    setHint(row) { if (hint !== row) { hint = row; redraw(); } },
    pixelOf(row) { const box = surface.getBoundingClientRect(), [x, y] = placeOf(row); return [box.left + x, box.top + y]; },
    getView() { return {...view, scale: view.scale / whole}; },
    setView({x, y, scale}) { showsAll = false; Object.assign(view, {x, y, scale: scale * whole}); redraw(); },
    extent, redraw, showAll, zoom, pan, centre, showRows, setTool, toggleTool, setPictures, selectView, resize,
    tool: () => tool, names: () => placedNames.map(({x, y, w, h}) => ({x, y, w, h})), colourOf: row => colours[row], levelOf: row => levelOf ? levelOf[row] : 2,
  });
}

// RGBA of "#rrggbb" as the bytes of a picture hold it.
latentlab.inkOf = colour => packed(channels(colour));
latentlab.Map = LatentMap;
})();
