// What comes from fdx inspect, and what the user does.
function take(batch) {
  if (batch.acts) takeActs(batch.acts);
  if (batch.answer) takeAnswer(batch.answer);
  if (batch.reset) { rows = []; shown = []; missed = 0; roundTrips.clear(); }
  if (batch.missed) missed += batch.missed;
  if (batch.filter !== undefined) {
    at("error").textContent = batch.filter ?? "";
    at("filter").ariaInvalid = String(batch.filter !== null);
  }
  for (const socket of batch.sockets ?? []) sockets.set(socket.id, socket);
  if (batch.rows?.length) {
    rows.push(...batch.rows);
    for (const row of batch.rows) if (row.rtt !== undefined) addRoundTrip(row.s, row.rtt);
    shown.push(...batch.rows.filter(isShown));
    if (rows.length > MOST_ROWS) {
      missed += rows.length - MOST_ROWS;
      rows = rows.slice(-MOST_ROWS);
      shown = rows.filter(isShown);
    }
  }
  if (batch.sockets?.length) drawSockets();
  if (batch.detail && batch.detail.n === chosenRow) {
    detail = batch.detail;
    if (detail.decoded) detail.decoded.asked = asked;
    if (form !== "hex") form = bestForm();
    drawDetail();
  }
  draw();
}

const token = new URLSearchParams(location.search).get("token") ?? "";

function connect() {
  const socket = new WebSocket(`ws://${location.host}/live?token=${encodeURIComponent(token)}`);
  socket.onopen = () => {
    live = socket;
    at("state").textContent = "Live";
    rows = []; shown = []; sockets.clear();
    socket.send(JSON.stringify({ filter: at("filter").value }));
  };
  socket.onmessage = event => take(JSON.parse(event.data));
  socket.onclose = () => {
    live = null;
    at("state").textContent = "Not connected: fdx inspect has ended, or is about to begin";
    setTimeout(connect, 1000);
  };
}

let typing;
at("filter").oninput = () => {
  clearTimeout(typing);
  typing = setTimeout(() => live?.send(JSON.stringify({ filter: at("filter").value })), 150);
};
at("search").onkeydown = event => {
  if (event.key !== "Enter") return;
  const words = at("search").value.toLowerCase();
  const from = shown.findIndex(row => row.n === chosenRow);
  for (let step = 1; step <= shown.length; step++) {
    const index = (from + step + shown.length) % shown.length;
    if ((shown[index].text ?? "").toLowerCase().includes(words)) return choose(index);
  }
  at("state").textContent = "Not found";
};
at("follow").onclick = () => {
  at("follow").ariaPressed = String(at("follow").ariaPressed !== "true");
  draw();
};
const save = (path, name) => element("a", { href: `/${path}?token=${encodeURIComponent(token)}`, download: name }).click();
at("har").onclick = () => save("har", "fdx.har");
at("recording").onclick = () => save("recording", "fdx.fdxr");
at("list").onscroll = draw;
at("list").onwheel = event => { if (event.deltaY < 0) at("follow").ariaPressed = "false"; };
at("list").onkeydown = event => {
  const index = shown.findIndex(row => row.n === chosenRow);
  const next = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: shown.length - 1, PageDown: index + 20, PageUp: index - 20 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  choose(Math.max(0, Math.min(shown.length - 1, next)));
};
new ResizeObserver(draw).observe(at("list"));
connect();
