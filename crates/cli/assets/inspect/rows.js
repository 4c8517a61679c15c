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
  at("row-count").textContent = `${shown.length}${missed ? ` (${missed} older ones are gone)` : ""}`;
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
  const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW) + 10);
  const made = [];
  for (let i = first; i < last; i++) made.push(rowElement(shown[i], i));
  at("rows").replaceChildren(...made);
}

function rowElement(row, index) {
  const way = { in: "↓", out: "↑" }[row.d] ?? "·";
  const wire = row.compressed ? `${size(row.wire)}→${size(row.len)}` : row.len === undefined ? "" : size(row.len);
  const text = [row.bad && `⚠ ${row.bad}`, row.rtt !== undefined && `${(row.rtt / 1000).toFixed(1)} ms after the ping`, row.text].filter(Boolean).join("  ");
  const cell = (name, content) => element("span", { class: `cell ${name}` }, content);
  return element("div", {
    class: `row ${row.d ?? ""} ${row.bad || row.ignored ? "violation" : ""}`, role: "option", id: `row-${row.n}`,
    "aria-selected": String(row.n === chosenRow), "aria-posinset": index + 1, "aria-setsize": shown.length,
    style: `top:${index * ROW}px`, onclick: () => choose(index),
  }, cell("number", `#${row.s}`), cell("number", `${(row.at / 1e6).toFixed(3)}`), cell("way", way), cell("kind", row.kind), cell("size", wire), cell("text", text));
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
  live?.send(JSON.stringify({ row: row.n }));
  draw();
}
