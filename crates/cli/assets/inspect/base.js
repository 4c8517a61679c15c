// What all parts of the page use.
"use strict";

const ROW = 22, MOST_ROWS = 200000;
const at = id => document.getElementById(id);
const sockets = new Map();
let rows = [], shown = [], chosenSocket = null, chosenRow = null, detail = null, form = "text", missed = 0, live = null;
// The format in which the user wants payloads decoded; null for the one that each seems to have.
let asked = null;
let needsDraw = false;

/** An element with text and children; nothing is ever parsed as HTML. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made[key] = value;
    else if (value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1 << 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}
