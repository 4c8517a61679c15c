// Node's ws, compressing, as client of `fdx serve --deflate`: deflate_client.mjs ws://HOST:PORT...
// The third of the servers has no context takeover.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createRequire } from "node:module";
import { check, main } from "./tap.mjs";

const { WebSocket } = createRequire(process.env.PEERS + "/")("ws");
const urls = process.argv.slice(2);

async function echoes(url, options) {
  const ws = new WebSocket(url + "/echo", { perMessageDeflate: { threshold: 0, ...options } });
  const [[response]] = await Promise.all([once(ws, "upgrade"), once(ws, "open")]);
  const agreed = response.headers["sec-websocket-extensions"];
  assert.match(agreed, /permessage-deflate/);
  for (const size of [0, 1, 20, 300, 5000, 40000, 300000]) {
    const text = JSON.stringify(Array.from({ length: size / 8 }, (_, i) => `item ${i % 97}`)).slice(0, size);
    for (const message of [text, randomBytes(size), Buffer.from(text)]) {
      ws.send(message);
      const [data, isBinary] = await once(ws, "message");
      assert.deepEqual(isBinary ? data : data.toString(), message);
    }
  }
  ws.send("begun, ", { fin: false });
  ws.ping();
  ws.send("and finished");
  assert.equal((await once(ws, "message"))[0].toString(), "begun, and finished");
  ws.close();
  await once(ws, "close");
  return agreed;
}

check("windows of 9 to 15 with and without takeover", async () => {
  for (const url of urls) {
    for (let bits = 9; bits <= 15; bits++) {
      for (const forgets of [false, true]) {
        const agreed = await echoes(url, {
          serverMaxWindowBits: bits, clientMaxWindowBits: bits,
          serverNoContextTakeover: forgets || undefined, clientNoContextTakeover: forgets || undefined,
        });
        assert.equal(/server_no_context_takeover; client_no_context_takeover/.test(agreed), forgets || url === urls[2]);
      }
    }
  }
});
check("what it offers by default", async () => {
  for (const url of urls) await echoes(url, {});
});

await main();
