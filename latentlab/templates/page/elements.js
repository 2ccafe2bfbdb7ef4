// Elements of the page, and texts in them. Text from outside is set as text only.
// The other scripts of this folder add to this namespace; map.js and grid.js need nothing but this file.
"use strict";
var latentlab = (() => {
// Names from outside may hold control characters and such that turn the direction of writing: they are spelled out.
// Joiners stay, without which Persian and Indic names and many emoji are not whole.
const UNSEEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

function plain(child) { return typeof child === "string" ? child.replace(UNSEEN, spelled) : child; }

function spelled(sign) {
  const code = sign.codePointAt(0);
  const [letter, digits] = code < 256 ? ["x", 2] : code < 65536 ? ["u", 4] : ["U", 8];
  return `\\${letter}${code.toString(16).padStart(digits, "0")}`;
}

function element(kind, attributes = {}, ...children) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made[name] = value;
    else if (name === "style") Object.assign(made.style, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, plain(String(value)));
  }
  made.append(...children.filter(child => child !== null && child !== undefined && child !== false).map(plain));
  return made;
}

function button(text, onclick, attributes = {}) {
  return element("button", {type: "button", onclick, ...attributes}, text);
}

function dot(colour) { return element("span", {class: "dot", style: {background: colour}, "aria-hidden": "true"}); }
function note(text) { return element("p", {class: "note"}, text); }
const count = number => number.toLocaleString("en");
const images = number => `${count(number)} ${number === 1 ? "image" : "images"}`;
const percent = share => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;

// Shares as bars: [name, share, colour] of each.
function bars(shares) {
  return element("div", {class: "bars"}, ...shares.map(([name, share, colour]) => element("div", {class: "bar"},
    element("span", {title: name}, name),
    element("i", {style: {width: `${100 * share}%`, background: colour ?? "var(--accent)"}}),
    element("span", {}, percent(share)))));
}

// Calls functions by the name of what has happened.
function emitter() {
  const listeners = {};
  return {
    on(name, listener) { (listeners[name] ??= []).push(listener); },
    emit(name, ...values) { for (const listener of listeners[name] ?? []) listener(...values); },
  };
}

// Runs a function once in the next frame, however often it is asked for until then.
function inNextFrame(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; work(); });
  };
}

function remembered(name) { try { return localStorage.getItem(name); } catch { return null; } }  // a file may keep nothing
function remember(name, value) { try { localStorage.setItem(name, value); } catch { /* as above */ } }
const byId = name => document.getElementById(name);

// What the page was made with: its data and its sheets of pictures, in base64. A widget of a notebook puts its own here.
const given = {
  data: () => JSON.parse(byId("data").textContent),
  sheet: number => document.querySelectorAll("script.sheet")[number].textContent,
};

return {given, plain, element, button, dot, note, count, images, percent, bars, emitter, inNextFrame, remembered, remember, byId};
})();
