// Node's http2 as client of `fdx serve --h2`, its WebSocket by hand: http2_client.mjs FDX

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:http2";
import { check, main } from "./tap.mjs";
import { serving } from "./served.mjs";

const FDX = process.argv[2];

// A masked frame (RFC 6455 §5.2), whose length is given in the shortest way.
function frame(opcode, payload) {
  const mask = randomBytes(4), size = payload.length;
  const length = Buffer.alloc(size < 126 ? 1 : size < 65536 ? 3 : 9, 0x80);
  if (size < 126) length[0] |= size;
  else if (size < 65536) { length[0] |= 126; length.writeUInt16BE(size, 1); }
  else { length[0] |= 127; length.writeBigUInt64BE(BigInt(size), 1); }
  return Buffer.concat([Buffer.from([0x80 | opcode]), length, mask, payload.map((byte, i) => byte ^ mask[i % 4])]);
}
// Frames as they come: opcode, whether it is the last of its message, payload.
async function* frames(stream) {
  let bytes = Buffer.alloc(0);
  for await (const chunk of stream) {
    bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      if (bytes.length < 2) break;
      assert.equal(bytes[1] & 0x80, 0, "a server does not mask (§5.1)");
      const short = bytes[1] & 0x7f, start = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length < start) break;
      const size = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
      if (bytes.length < start + size) break;
      yield { opcode: bytes[0] & 15, last: (bytes[0] & 0x80) !== 0, payload: bytes.subarray(start, start + size) };
      bytes = bytes.subarray(start + size);
    }
  }
}
async function message(incoming) {
  const parts = [];
  for (;;) {
    const { value: { opcode, last, payload } } = await incoming.next();
    parts.push(payload);
    if (last) return opcode < 8 ? Buffer.concat(parts) : { opcode, payload };
  }
}
async function open(session, path = "/echo", headers = {}) {
  const stream = session.request({
    ":method": "CONNECT", ":protocol": "websocket", ":path": path, "sec-websocket-version": "13", ...headers,
  });
  const [answer] = await once(stream, "response");
  return { stream, answer, incoming: frames(stream) };
}
async function page(session, path, content) {
  const stream = session.request({ ":path": path, ":method": content === undefined ? "GET" : "POST" });
  if (content !== undefined) stream.end(content);
  const [answer] = await once(stream, "response");
  const body = [];
  for await (const chunk of stream) body.push(chunk);
  return [answer[":status"], Buffer.concat(body).toString()];
}

for (const [how, options] of [["with prior knowledge", ["--h2"]], ["over TLS", ["--h2", "--tls-self-signed"]]]) {
  const session = (run, ...more) => () => serving(FDX, [...options, "--subprotocol", "chat", ...more], async server => {
    const session = connect(server.url, server.ca ? { ca: readFileSync(server.ca) } : {});
    const [settings] = await once(session, "remoteSettings");
    assert.equal(settings.enableConnectProtocol, true);
    await run(session, server);
    session.destroy();
  });
  check(`${how}: echo, ping and close`, session(async (session, server) => {
    const { stream, answer, incoming } = await open(session, "/echo", { "sec-websocket-protocol": "chat" });
    assert.deepEqual([answer[":status"], answer["sec-websocket-protocol"]], [200, "chat"]);
    for (const payload of [Buffer.from("grüße"), Buffer.alloc(0), randomBytes(70000), randomBytes(1 << 20)]) {
      stream.write(frame(2, payload));
      assert.deepEqual(await message(incoming), payload);
    }
    stream.write(frame(9, Buffer.from("between")));
    const pong = await message(incoming);
    assert.deepEqual([pong.opcode, pong.payload.toString()], [10, "between"]);
    const close = Buffer.concat([Buffer.from([0x0f, 0xa1]), Buffer.from("enough")]);
    stream.write(frame(8, close));
    assert.deepEqual(await message(incoming), { opcode: 8, payload: close });
    assert.equal((await incoming.next()).done, true);
    await server.said("/echo HTTP/2.0", "subprotocol chat", "closed by the peer with 4001");
  }));
  check(`${how}: page and refusals on the same connection`, session(async session => {
    assert.match((await page(session, "/"))[1], /<title>/);
    assert.equal((await page(session, "/nothing"))[0], 404);
    assert.equal((await open(session, "/nothing")).answer[":status"], 404);
    assert.equal((await open(session, "/echo", { origin: "https://evil.example" })).answer[":status"], 403);
    const { stream, incoming } = await open(session);
    stream.write(frame(1, Buffer.from("still here")));
    assert.equal((await message(incoming)).toString(), "still here");
  }));
  check(`${how}: Socket.IO polls, posts and upgrades`, session(async session => {
    const path = "/socket.io/?EIO=4&transport=";
    const begin = async () => {
      const [status, opened] = await page(session, `${path}polling`);
      assert.equal(status, 200);
      return JSON.parse(opened.slice(1)).sid;
    };
    const sid = await begin(), own = `${path}polling&sid=${sid}`;
    assert.deepEqual(await page(session, own, "40"), [200, "ok"]);
    assert.match((await page(session, own))[1], /^40\{"sid":/);
    const event = '451-["bytes",{"_placeholder":true,"num":0}';
    const echoed = page(session, own);
    assert.deepEqual(await page(session, own, `${event}]\x1ebAQID`), [200, "ok"]);
    const [text, bytes] = (await echoed)[1].split("\x1e");
    assert.ok(text.startsWith(event), text);
    assert.equal(bytes, "bAQID");
    const left = page(session, own);
    const { stream, answer, incoming } = await open(session, `${path}websocket&sid=${sid}`);
    assert.equal(answer[":status"], 200);
    stream.write(frame(1, Buffer.from("2probe")));
    assert.equal((await message(incoming)).toString(), "3probe");
    assert.equal((await left)[1], "6");
    for (const packet of ["5", `${event}]`]) stream.write(frame(1, Buffer.from(packet)));
    stream.write(frame(2, Buffer.from([1, 2, 3])));
    assert.ok((await message(incoming)).toString().startsWith(event));
    assert.deepEqual(await message(incoming), Buffer.from([1, 2, 3]));
    assert.equal((await page(session, own))[0], 400);
    stream.write(frame(8, Buffer.from([0x03, 0xe8])));
    assert.equal((await message(incoming)).opcode, 8);
    assert.equal((await incoming.next()).done, true);
    const other = `${path}polling&sid=${await begin()}`;
    const noop = page(session, other);
    assert.deepEqual(await page(session, other, "1"), [200, "ok"]);
    assert.equal((await noop)[1], "6");
    assert.equal((await page(session, other))[0], 400);
  }, "--socketio"));
  check(`${how}: a drain tells every stream`, session(async (session, server) => {
    const all = await Promise.all(Array.from({ length: 20 }, () => open(session)));
    server.signal("SIGTERM");
    for (const { stream, incoming } of all) {
      const close = await message(incoming);
      assert.deepEqual([close.opcode, close.payload.readUInt16BE(0)], [8, 1001]);
      stream.write(frame(8, close.payload));
      assert.equal((await incoming.next()).done, true);
    }
    await server.said("ended: 20 WebSockets notified, 0 cut off; 0 HTTP connections");
  }));
}

await main();
