// The list of frames.
const isShown = row => chosenSocket === null || row.s === chosenSocket;

function draw() {
  if (needsDraw) return;
  needsDraw = true;
  requestAnimationFrame(() => { needsDraw = false; drawRows(); });
}

function drawRows() {
  const list = at("list");
  at("rows").style.height = `${shown.length * ROW}px`;
  if (at("follow").ariaPressed === "true") list.scrollTop = shown.length * ROW;
  at("empty").hidden = shown.length > 0;
  // A list box without options is not one.
  list.role = shown.length > 0 ? "listbox" : "region";
  at("row-count").textContent = `${shown.length}${missed ? ` (${missed} older ones are gone)` : ""}`;
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
  const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW) + 10);
  while (made.length > last - first) made.pop().row.remove();
  while (made.length < last - first) {
    made.push(newRow());
    at("rows").append(made.at(-1).row);
  }
  made.forEach((one, k) => fillRow(one, shown[first + k], first + k));
}

// The elements of the rows that are in sight, which are used again for others.
const made = [];

function newRow() {
  const cells = ["number", "number", "way", "kind", "size", "text"].map(name => element("span", { class: `cell ${name}` }, ""));
  const one = { row: element("div", { role: "option" }, ...cells), texts: cells.map(cell => cell.appendChild(new Text(""))), index: 0, shows: null, had: {} };
  one.row.onclick = () => choose(one.index);
  return one;
}

/** Shows a row, and changes only what is not so already. */
function fillRow(one, row, index) {
  one.index = index;
  const attributes = {
    class: `row ${row.d ?? ""} ${row.bad || row.ignored ? "violation" : ""} ${row.handling ?? ""}`, id: `row-${row.n}`,
    "aria-selected": String(row.n === chosenRow), "aria-posinset": index + 1, "aria-setsize": shown.length,
    style: `transform:translateY(${index * ROW}px)`,
  };
  for (const [name, value] of Object.entries(attributes)) {
    if (one.had[name] !== value) one.row.setAttribute(name, one.had[name] = value);
  }
  if (one.shows === row) return;
  one.shows = row;
  const way = { in: "↓", out: "↑" }[row.d] ?? "·";
  const wire = row.compressed ? `${size(row.wire)}→${size(row.len)}` : row.len === undefined ? "" : size(row.len);
  const text = [row.handling && `[${row.handling}]`, row.bad && `⚠ ${row.bad}`, row.rtt !== undefined && `${(row.rtt / 1000).toFixed(1)} ms after the ping`, row.text].filter(Boolean).join("  ");
  [`#${row.s}`, (row.at / 1e6).toFixed(3), way, row.kind, wire, text].forEach((content, k) => {
    if (one.texts[k].data !== content) one.texts[k].data = content;
  });
}

function choose(index) {
  const row = shown[index];
  if (!row) return;
  chosenRow = row.n;
  at("list").setAttribute("aria-activedescendant", `row-${row.n}`);
  const top = index * ROW, list = at("list");
  if (top < list.scrollTop || top + ROW > list.scrollTop + list.clientHeight) {
    at("follow").ariaPressed = "false";
    list.scrollTop = top - list.clientHeight / 2;
  }
  live?.send(JSON.stringify({ row: row.n, format: asked }));
  draw();
}
