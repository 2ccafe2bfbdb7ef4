// The table of clusters by clusters: its cells select their images. One stop for Tab; arrows lead through it.
"use strict";
(() => {
const {store, sides, element, dot, count, images, byId} = latentlab;
const MOST = 40;  // clusters of a side
let lefts = [], rights = [], focus = [0, 0];  // line and column of the focus; 0 is the head

// The clusters of a side that the table has: the largest, in the order of the matched ones. -1 is last, if it has images.
function numbersOf(side) {
  const {clusters} = sides.facts[side];
  return [...clusters].sort((a, b) => sides.total(side, b) - sides.total(side, a)).slice(0, MOST).sort((a, b) => a - b);
}
function inOrderOfPartners(numbers) {
  const {partners} = sides.facts.right;
  const place = number => partners[number] === null ? Infinity : lefts.indexOf(partners[number]) < 0 ? 1e6 : lefts.indexOf(partners[number]);
  return numbers.sort((a, b) => (place(a) === place(b) ? a - b : place(a) - place(b)));
}
function withMissing(side, numbers) { return sides.total(side, -1) ? [...numbers, -1] : numbers; }

const title = (side, number) => number < 0 ? store.groups[side].missing : sides.nameOf(side, number);
const short = (side, number) => number < 0 ? "not there" : title(side, number).replace(/^cluster (\d+)$/, "$1");

function head(side, number, line, column) {
  const name = element("span", {class: "name"}, short(side, number));
  const made = element("th", {scope: side === "left" ? "row" : "col", title: `${title(side, number)} of ${sides.facts[side].name}: ${images(sides.total(side, number))}`,
    "data-side": side, "data-number": number}, dot(sides.colourOf(side, number)), name);
  return placed(made, line, column);
}
function cell(left, right, line, column) {
  const size = sides.shared(left, right), all = sides.total("left", left);
  const made = element("td", {class: sides.facts.right.partners[right] === left ? "matched" : "", "data-left": left, "data-right": right, "aria-selected": "false",
    title: `${images(size)}: ${title("left", left)} on the left, ${title("right", right)} on the right`,
    style: {background: size ? `color-mix(in srgb, var(--accent) ${Math.round(40 * size / all)}%, var(--page))` : ""}}, size ? count(size) : "");
  return placed(made, line, column);
}
function placed(made, line, column) {
  made.dataset.line = line;
  made.dataset.column = column;
  made.tabIndex = -1;
  return made;
}

function build() {
  lefts = withMissing("left", numbersOf("left"));
  rights = withMissing("right", inOrderOfPartners(numbersOf("right")));
  const corner = placed(element("th", {scope: "col", class: "corner"}, "left ↓ right →"), 0, 0);
  const heads = element("tr", {}, corner, ...rights.map((number, i) => head("right", number, 0, i + 1)));
  const lines = lefts.map((left, i) => element("tr", {}, head("left", left, i + 1, 0), ...rights.map((right, j) => cell(left, right, i + 1, j + 1))));
  const made = element("table", {role: "grid", "aria-multiselectable": "true", "aria-label": "Images by their clusters on both sides"}, element("thead", {}, heads), element("tbody", {}, ...lines));
  byId("table").replaceChildren(made);
  made.classList.toggle("named", rights.some(number => !/^\d+$/.test(short("right", number))));
  made.onclick = event => { const hit = event.target.closest("td, th"); if (hit) press(hit, event.ctrlKey || event.metaKey || event.shiftKey); };
  made.onkeydown = keyPressed;
  at(...focus).tabIndex = 0;
  byId("table-note").textContent = leftOutText();
}
// What the table has no room for.
function leftOutText() {
  const parts = sides.NAMES.filter(side => sides.facts[side].clusters.length > MOST)
    .map(side => `the ${MOST} largest of ${count(sides.facts[side].clusters.length)} clusters on the ${side}`);
  return parts.length ? `The table has ${parts.join(", and ")}.` : "";
}
const at = (line, column) => byId("table").querySelector(`[data-line="${line}"][data-column="${column}"]`);

// A head selects its cluster, a cell its images; with Ctrl or Shift it is added, or taken away.
function press(hit, adds) {
  const {side, number, left, right} = hit.dataset;
  moveTo(Number(hit.dataset.line), Number(hit.dataset.column));
  if (side) return sides.cluster(side, Number(number));
  if (left === undefined) return sides.clear();
  const pair = [Number(left), Number(right)];
  const before = store.scope.pairs ?? [], has = before.some(one => String(one) === String(pair));
  if (!adds) return has && before.length === 1 ? sides.clear() : sides.cells([pair]);
  sides.cells(has ? before.filter(one => String(one) !== String(pair)) : [...before, pair]);
}
function moveTo(line, column) {
  at(...focus).tabIndex = -1;
  focus = [Math.max(0, Math.min(lefts.length, line)), Math.max(0, Math.min(rights.length, column))];
  at(...focus).tabIndex = 0;
  at(...focus).focus();
}
function keyPressed(event) {
  const [line, column] = focus, hit = at(line, column);
  const steps = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
  if (steps[event.key]) moveTo(line + steps[event.key][0], column + steps[event.key][1]);
  else if (event.key === "Home") moveTo(event.ctrlKey ? 0 : line, 0);
  else if (event.key === "End") moveTo(event.ctrlKey ? lefts.length : line, rights.length);
  else if (event.key === "Enter" || event.key === " ") press(hit, event.ctrlKey || event.metaKey || event.shiftKey);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

// Marks what is selected.
function mark() {
  const {pairs = [], side, number} = store.scope, wanted = new Set(pairs.map(String));
  for (const one of byId("table").querySelectorAll("td")) one.setAttribute("aria-selected", String(wanted.has(`${one.dataset.left},${one.dataset.right}`)));
  for (const one of byId("table").querySelectorAll("th[data-side]")) one.classList.toggle("chosen", one.dataset.side === side && Number(one.dataset.number) === number);
}

latentlab.table = {build, mark};
})();
