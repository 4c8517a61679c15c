// The crate rust_socketio as a client of the crate fullduplex-socketio:
// rust_socketio.mjs SOCKETIO_SERVER CLIENT

import { spawn } from "node:child_process";
import { socketioServer } from "./socketio_server.mjs";

const [PROGRAM, CLIENT] = process.argv.slice(2);
const url = await socketioServer(PROGRAM, []);
const client = spawn(CLIENT, [url], { stdio: ["ignore", "inherit", "inherit"], timeout: 120000 });
client.on("exit", code => process.exit(code ?? 1));
