// What `latentlab view` adds to the page of a report: clusters are named, merged, split and dropped, images moved and marked.
// The server keeps every change before it answers, and answers with the clusters as they now are. Changes name the state that
// they were made on, so that none is made on clusters that another tab or viewer has changed in the meantime.
"use strict";
(() => {
const {data, groups, state, hooks, element, told, count, clusterName} = latentlab;
const undo = element("button", {type: "button", id: "undo", disabled: true, onclick: () => send("undo")}, "Undo");
const redo = element("button", {type: "button", id: "redo", disabled: true, onclick: () => send("redo")}, "Redo");
const notice = element("span", {id: "notice", class: "note", role: "status"});
document.getElementById("edit-tools").append(undo, " ", redo, " ", notice);

const UNANSWERED = "The viewer does not answer, so this change may not be kept; all before it are. Start latentlab view again and open its address.";
let madeOn = "", queue = Promise.resolve();
// One change after the other: each is made on the state that the one before it has led to.
function send(path, edit) { return queue = queue.then(() => change(path, edit)); }
async function change(path, edit) {
  try {
    const body = JSON.stringify({made_on: madeOn, edit: edit ?? null});
    const answer = await fetch(path, {method: "POST", headers: {"Content-Type": "application/json"}, body});
    const found = await answer.json();
    if (answer.ok) take(found);
    else if (answer.status === 409) tellStale(found.error);
    else notice.textContent = `Not done: ${found.error}`;
    return answer.ok;
  } catch { notice.textContent = UNANSWERED; return false; }
}
function tellStale(reason) {
  notice.replaceChildren(`Not done: ${reason} `, element("button", {type: "button", id: "reload", onclick: () => { queue = queue.then(reload); }}, "Reload"));
}
async function reload() {
  try {
    const answer = await fetch("state"), found = await answer.json();
    answer.ok ? take(found) : notice.textContent = found.error;
  } catch { notice.textContent = UNANSWERED; }
}
function take(found) {
  const open = state.cluster, image = state.image;
  madeOn = found.version;
  latentlab.replaceClusters(found.groups, found.clusters);
  undo.disabled = !found.edits;
  redo.disabled = !found.undone;
  notice.textContent = found.edits ? `${count(found.edits)} ${found.edits === 1 ? "edit" : "edits"} saved; the last ${found.last}` : "no edits";
  if (image !== null) latentlab.openRow(image);
  else if (open !== null && latentlab.sizeOf(open)) latentlab.openCluster(open);
  else latentlab.close();
}
const idsOf = rows => Array.from(rows, row => data.ids[row]);
function otherClusters(except) {
  const numbers = data.clusters.map(cluster => cluster.number).filter(number => number !== except && latentlab.sizeOf(number));
  return element("select", {"aria-label": "which cluster"}, ...numbers.map(number => element("option", {value: number}, clusterName(number))));
}
function button(text, onclick, id) { return element("button", {type: "button", onclick, id}, text); }
function markTools(rows) {
  const text = element("input", {type: "text", maxlength: 80, size: 12, placeholder: "mark", "aria-label": "mark", id: "mark-text"});
  return element("div", {class: "row"}, text, button("Mark", () => send("edit", {action: "mark", images: idsOf(rows), mark: text.value}), "mark"));
}

hooks.cluster.push(number => {
  const name = element("input", {type: "text", maxlength: 80, size: 16, value: clusterName(number), "aria-label": "name of the cluster", id: "name-text"});
  const other = otherClusters(number);
  const rename = () => send("edit", {action: "name", cluster: number, name: name.value});
  name.addEventListener("keydown", event => { if (event.key === "Enter") rename(); });
  return element("div", {},
    element("div", {class: "row"}, name, button("Name it", rename, "name")),
    other.options.length ? element("div", {class: "row"}, button("Merge with", () => send("edit", {action: "merge", clusters: [number, Number(other.value)]}), "merge"), other) : "",
    element("div", {class: "row"}, button("Drop this cluster", () => send("edit", {action: "drop", clusters: [number]}), "drop")));
});
hooks.selection.push(rows => {
  const target = otherClusters(-1);
  return element("div", {},
    element("div", {class: "row"}, button("Make them a cluster", () => send("edit", {action: "split", images: idsOf(rows)}), "split")),
    element("div", {class: "row"}, button("Move them to", () => send("edit", {action: "move", images: idsOf(rows), cluster: Number(target.value)}), "move"), target),
    markTools(rows));
});
hooks.image.push(row => markTools([row]));
document.addEventListener("keydown", event => {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || event.target.closest("input")) return;
  send(event.shiftKey ? "redo" : "undo");
  event.preventDefault();
});
window.latentlab.edit = send;
window.latentlab.ready = window.latentlab.ready.then(async time => {
  const answer = await fetch("state"), found = await answer.json();
  if (!answer.ok) { notice.textContent = found.error; return time; }
  madeOn = found.version;
  if (found.edits || found.undone) take(found);
  return time;
});
})();
