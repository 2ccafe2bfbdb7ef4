// The switch between the clusters with edits by hand and as computed: map, grid, groups, headings, sizes and scores follow it.
"use strict";
(() => {
const {store, element, byId} = latentlab;
const {data} = store;
const AS_COMPUTED = "as computed";
const STALE = "As the page was opened; reload it for the clusters as they are now. ";
let shown = "edited";
// What replaces what, packed as the page has it. Without edits both are the same.
const states = {
  edited: {groups: edited(data.groups), clusters: data.clusters, tree: data.tree, typical: data.typical, note: data.edited?.note ?? AS_COMPUTED},
  computed: data.computed ?? null,
};
const opened = states.edited.note;

function edited(groups) { return Object.fromEntries(["cluster", "mark", "tag"].filter(name => groups[name]).map(name => [name, groups[name]])); }
function hasEdits() { return states.edited.note !== AS_COMPUTED && Boolean(states.computed); }
const isComputed = () => shown === "computed" && hasEdits();
// Whether an element of the page belongs to what is shown.
function isShown(part) { return !part.dataset.state || part.dataset.state === (isComputed() ? "computed" : "edited") || !twin(part); }
function twin(part) { return document.querySelector(`[data-state="${part.dataset.state === "edited" ? "computed" : "edited"}"]`); }
function note() { return isComputed() ? `${AS_COMPUTED}, without ${states.edited.note.replace(/^with /, "")}` : states.edited.note; }
const takesEdits = () => !isComputed();

function fill() {
  const choice = byId("state");
  choice.hidden = !hasEdits();
  if (choice.hidden) shown = "edited";
  const options = [["edited", states.edited.note], ["computed", AS_COMPUTED]];
  choice.replaceChildren(...options.map(([value, text]) => element("option", {value, selected: value === shown}, text)));
  for (const part of document.querySelectorAll("[data-state]")) part.hidden = !isShown(part);
  markStale(!isComputed() && states.edited.note !== opened);
}
// Sentences and scores are those of the clusters as the page was opened.
function markStale(isStale) {
  for (const part of document.querySelectorAll('.verdict[data-state="edited"] summary, #scores > [data-state="edited"]')) {
    part.querySelector(".stale")?.remove();
    if (isStale) part.prepend(element("b", {class: "stale"}, STALE));
  }
}
async function show(state) {
  shown = state;
  fill();
  const {groups, clusters, tree, typical} = isComputed() ? states.computed : states.edited;
  const image = store.image;
  store.typical = await store.unpack(typical);
  await store.replace(groups, clusters, {tree});
  if (image !== null) latentlab.picture.show(image);
  latentlab.changedState?.(state);
}
// Takes the clusters after another edit, and shows them.
async function take(found) {
  states.edited = {groups: found.groups, clusters: found.clusters, tree: found.tree, typical: found.typical, note: found.edited.note};
  await show("edited");
}
async function start() {
  store.typical = await store.unpack(data.typical);
  byId("state").onchange = event => show(event.target.value);
  fill();
}

latentlab.states = {start, show, take, note, isShown, takesEdits};
})();
