// Looks for what a reader of the page would trip over: returns [kind, text, where] of each fault.
// Run as the body of a function, with arguments[0] = {print: boolean}.
"use strict";
const {print} = arguments[0];
const SLACK = 1.5;      // pixels that rounding explains
const OVERLAP = 0.12;   // of the smaller text
const EMPTY_SIDE = 24;  // pixels below which nothing is expected inside
const faults = [];

function tell(kind, element, text, more = "") {
  const path = [];
  for (let one = element; one && one !== document.body && path.length < 4; one = one.parentElement) {
    path.unshift(one.localName + (one.id ? `#${one.id}` : one.classList.length ? `.${[...one.classList].join(".")}` : ""));
  }
  faults.push([kind, text.trim().replace(/\s+/g, " ").slice(0, 70), path.join(" > ") + more]);
}

const seen = element => element.checkVisibility({opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true});
const clipsX = style => ["hidden", "clip"].includes(style.overflowX) || print && style.overflowX !== "visible";
const clipsY = style => ["hidden", "clip"].includes(style.overflowY) || print && style.overflowY !== "visible";
const scrolls = style => !print && /auto|scroll/.test(style.overflowX + style.overflowY);
const isUnseen = element => element.closest(".unseen, .skip:not(:focus), option, select, script, style, noscript, datalist, title");
const area = box => Math.max(0, box.right - box.left) * Math.max(0, box.bottom - box.top);
function common(a, b) {
  return {left: Math.max(a.left, b.left), right: Math.min(a.right, b.right), top: Math.max(a.top, b.top), bottom: Math.min(a.bottom, b.bottom)};
}
function* ancestors(element) {
  for (let one = element; one && one !== document.documentElement; one = one.parentElement) yield one;
}
const inner = element => {
  const box = element.getBoundingClientRect();
  return {left: box.left + element.clientLeft, top: box.top + element.clientTop,
    right: box.left + element.clientLeft + element.clientWidth, bottom: box.top + element.clientTop + element.clientHeight};
};

// The texts of the page: one entry per line of a text node.
function texts() {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), lines = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || isUnseen(element) || !seen(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) if (box.width > 1 && box.height > 1) lines.push({node, element, box, text: node.data});
  }
  return lines;
}

// Text and controls that the box around them cuts.
function shortens(element) {
  for (const one of ancestors(element)) {
    const style = getComputedStyle(one);
    const isShort = style.textOverflow === "ellipsis" && clipsX(style) || style.webkitLineClamp !== "none";
    if (isShort) return Boolean(one.closest("[title], details")) || Boolean(one.closest(".cell"));
  }
  return false;
}
function cutBy(element, box, isText) {
  for (const one of ancestors(isText ? element : element.parentElement)) {
    const style = getComputedStyle(one);
    if (style.display === "inline" || style.display === "contents") continue;
    if (scrolls(style)) return null;  // a reader can scroll to it
    const room = inner(one);
    if (clipsX(style) && (box.left < room.left - SLACK || box.right > room.right + SLACK)) return one;
    if (clipsY(style) && (box.top < room.top - SLACK - 2 || box.bottom > room.bottom + SLACK + 2)) return one;
    if (style.position === "fixed") return null;
  }
  return null;
}
function lookForCuts(lines) {
  for (const {element, box, text} of lines) {
    const by = cutBy(element, box, true);
    if (by && !shortens(element)) tell("cut text", element, text, `, cut by ${by.id || by.className || by.localName}`);
  }
  for (const element of document.querySelectorAll("button, select, input, img, canvas, summary, svg")) {
    const box = element.getBoundingClientRect();
    if (!box.width || !seen(element) || isUnseen(element.parentElement)) continue;
    const by = cutBy(element, box, false);
    if (by) tell("cut control", element, element.textContent || element.getAttribute("aria-label") || element.alt || "", `, cut by ${by.id || by.className || by.localName}`);
    const isField = element.matches("input:not([type=range], [type=checkbox], [type=radio], [type=file])");
    if (isField && textWidth(element) > element.clientWidth - padding(element) + SLACK) tell("cut text", element, element.value || element.placeholder);
  }
}
function padding(element) {
  const style = getComputedStyle(element);
  return parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
}
const pen = document.createElement("canvas").getContext("2d");
function textWidth(field) {
  pen.font = getComputedStyle(field).font;
  return field.value ? 0 : pen.measureText(field.placeholder).width;  // a value can be scrolled by its caret
}

// Words that are broken in the middle, and choices that are longer than their field.
function lookForBrokenWords(lines) {
  const pieces = new Map();
  for (const {node, box} of lines) pieces.set(node, (pieces.get(node) ?? new Set()).add(Math.round(box.top)));
  for (const [node, tops] of pieces) {
    const word = node.data.trim();
    if (tops.size > 1 && word.length < 14 && !/[\s\-/+_.,\u200b\u2026]/.test(word)) tell("broken word", node.parentElement, word);
  }
  for (const field of document.querySelectorAll("select")) {
    if (!seen(field) || isUnseen(field.parentElement) || getComputedStyle(field).textOverflow === "ellipsis") continue;
    pen.font = getComputedStyle(field).font;
    const wide = pen.measureText(field.selectedOptions[0]?.text ?? "").width;
    if (wide + padding(field) > field.clientWidth + SLACK) tell("cut text", field, field.selectedOptions[0].text);
  }
}

// Names on the map: off it, over each other, or under its tools.
function lookForNames() {
  const map = window.latentlab?.map, surface = document.querySelector("#map .surface");
  if (!map?.names || !surface || !seen(surface)) return;
  const {width, height, left, top} = surface.getBoundingClientRect();
  const boxes = map.names().map(({x, y, w, h}) => ({left: x - w / 2, right: x + w / 2, top: y - h / 2, bottom: y + h / 2}));
  const tools = [...document.querySelectorAll("#map .map-tools button")].filter(seen).map(one => one.getBoundingClientRect())
    .map(box => ({left: box.left - left, right: box.right - left, top: box.top - top, bottom: box.bottom - top}));
  boxes.forEach((box, i) => {
    if (box.left < 0 || box.top < 0 || box.right > width || box.bottom > height) tell("cut text", surface, `name ${i} on the map`);
    for (const other of [...boxes.slice(0, i), ...tools]) if (area(common(box, other)) > 2) tell("overlap", surface, `name ${i} on the map`);
  });
}

// Texts that lie over each other, both in sight.
function inSight(line) {
  let box = line.box;
  for (const one of ancestors(line.element)) {
    const style = getComputedStyle(one);
    if (style.display !== "inline" && (style.overflowX !== "visible" || style.overflowY !== "visible")) box = common(box, inner(one));
    if (style.position === "fixed") break;
  }
  box = common(box, {left: 0, top: 0, right: innerWidth, bottom: innerHeight});
  return box.right - box.left > 2 && box.bottom - box.top > 2 ? {...line, box} : null;
}
const colour = text => {
  const parts = (text.match(/[\d.]+/g) ?? []).map(Number);
  return text.startsWith("color(srgb") ? [...parts.slice(0, 3).map(part => 255 * part), parts[3] ?? 1] : parts.length < 3 ? [0, 0, 0, 0] : [...parts.slice(0, 3), parts[3] ?? 1];
};
const isOpaque = element => colour(getComputedStyle(element).backgroundColor)[3] > 0.5 || element.matches("canvas, img");
function isUncovered(element, x, y) {
  for (const one of document.elementsFromPoint(x, y)) {
    if (one === element || element.contains(one) || one.contains(element)) return true;
    if (isOpaque(one)) return false;
  }
  return true;
}
function lookForOverlaps(lines) {
  const shown = lines.map(inSight).filter(Boolean).sort((a, b) => a.box.top - b.box.top);
  for (let i = 0; i < shown.length; i++) {
    for (let j = i + 1; j < shown.length && shown[j].box.top < shown[i].box.bottom; j++) {
      const [a, b] = [shown[i], shown[j]], both = common(a.box, b.box);
      if (a.node === b.node || both.right - both.left < 2 || both.bottom - both.top < 2) continue;
      if (area(both) < OVERLAP * Math.min(area(a.box), area(b.box)) || both.bottom - both.top < 0.3 * Math.min(a.box.height ?? 9, b.box.height ?? 9)) continue;
      const [x, y] = [(both.left + both.right) / 2, (both.top + both.bottom) / 2];
      if (isUncovered(a.element, x, y) && isUncovered(b.element, x, y)) tell("overlap", a.element, `${a.text.trim().slice(0, 30)} | ${b.text.trim().slice(0, 30)}`);
    }
  }
}

// Content beyond the page's width.
function lookForWidth() {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room + 1) return;
  const wide = [...document.body.querySelectorAll("*")].filter(one => seen(one) && !isUnseen(one) && one.getBoundingClientRect().right > room + 1);
  const deepest = wide.filter(one => ![...one.children].some(child => wide.includes(child)));
  for (const one of deepest.slice(0, 5)) tell("off the page", one, one.textContent || one.getAttribute("alt") || "", `, ${document.documentElement.scrollWidth} of ${room} pixels`);
}

// Panels with nothing in them, pictures that show nothing.
function isBlank(canvas) {
  if (!canvas.width || !canvas.height) return true;
  const small = document.createElement("canvas");
  [small.width, small.height] = [64, 64];
  const context = small.getContext("2d", {willReadFrequently: true});
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, 0, 64, 64);
  const bytes = new Uint32Array(context.getImageData(0, 0, 64, 64).data.buffer);
  return bytes.every(value => value === bytes[0]);
}
function lookForEmptiness() {
  const panels = "section, figure, article, table, #map, #panel, #grid, #overview, #picture, #tree, #head, #legend, [role=region], [role=group], .strip, .figures, .scroll, dialog[open], .about-parts > div";
  for (const panel of document.querySelectorAll(panels)) {
    const box = panel.getBoundingClientRect();
    if (box.width < EMPTY_SIDE || box.height < EMPTY_SIDE || !seen(panel) || isUnseen(panel)) continue;
    if (!inSight({element: panel.parentElement, box})) continue;  // what is scrolled away may be filled later
    const holds = (panel.innerText ?? panel.textContent).trim() || [...panel.querySelectorAll("img, canvas, svg, input, select")].some(seen);
    if (!holds) tell("empty panel", panel, panel.getAttribute("aria-label") ?? "");
  }
  for (const image of document.images) if (seen(image) && image.complete && !image.naturalWidth) tell("broken picture", image, image.alt);
  for (const canvas of document.querySelectorAll("canvas")) {
    const box = canvas.getBoundingClientRect();
    if (box.width < EMPTY_SIDE / 2 || box.bottom < 0 || box.top > innerHeight || !seen(canvas)) continue;
    const stack = canvas.closest(".surface");
    if (stack ? canvas === stack.querySelector("canvas") && [...stack.querySelectorAll("canvas")].every(isBlank) : isBlank(canvas)) tell("blank canvas", canvas, stack?.getAttribute("aria-label") ?? "");
  }
}

// Contrast of every text with what is behind it, as WCAG 2 counts it.
const over = (top, below) => top.slice(0, 3).map((part, i) => part * top[3] + below[i] * (1 - top[3])).concat(1);
function behind(element) {
  const layers = [];
  for (const one of ancestors(element)) {
    const style = getComputedStyle(one), layer = colour(style.backgroundColor);
    if (style.backgroundImage !== "none") return null;
    if (layer[3] > 0) layers.push(layer);
    if (layer[3] === 1) break;
  }
  const page = colour(getComputedStyle(document.documentElement).backgroundColor);
  return layers.reverse().reduce((below, layer) => over(layer, below), page[3] ? page : [255, 255, 255, 1]);
}
function luminance(parts) {
  const [red, green, blue] = parts.slice(0, 3).map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}
function opacity(element) {
  let share = 1;
  for (const one of ancestors(element)) share *= Number(getComputedStyle(one).opacity);
  return share;
}
function judgeContrast(element, ink, text, style) {
  const ground = behind(element);
  if (!ground || element.closest(":disabled, [aria-disabled=true]")) return;
  ink[3] *= opacity(element);
  const size = parseFloat(style.fontSize), isLarge = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700;
  const found = contrast(over(ink, ground), ground);
  if (found < (isLarge ? 3 : 4.5) - 0.005) tell("contrast", element, text, `, ${found.toFixed(2)}`);
}
function lookForContrast(lines) {
  for (const element of new Set(lines.map(line => line.element))) {
    const style = getComputedStyle(element), isDrawn = element instanceof SVGElement;
    judgeContrast(element, colour(isDrawn ? style.fill : style.color), element.textContent, style);
  }
  for (const field of document.querySelectorAll("input[placeholder], select")) {
    const style = getComputedStyle(field, field.placeholder ? "::placeholder" : null);
    if (seen(field)) judgeContrast(field, colour(style.color), field.placeholder ?? field.value, getComputedStyle(field));
  }
}

const lines = texts();
lookForWidth();
lookForCuts(lines);
lookForBrokenWords(lines);
lookForNames();
lookForContrast(lines);
const start = scrollY;
for (let y = 0; ; y += innerHeight * 0.9) {
  scrollTo(0, y);
  lookForOverlaps(texts());
  lookForEmptiness();
  if (print || y + innerHeight >= document.documentElement.scrollHeight) break;
}
scrollTo(0, start);
return [...new Map(faults.map(fault => [fault.join(), fault])).values()];
