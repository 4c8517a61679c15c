// The bytes of a frame's header, each with what it says.

const bits = (number, count) => number.toString(2).padStart(count, "0");
const hexBytes = bytes => bytes.map(byte => byte.toString(16).padStart(2, "0")).join(" ");

/** The lines of a header: its bytes, their bits, and the names of those. */
function headerLines(header, name) {
  const length = header.bits === 7 ? header.length : header.bits === 16 ? 126 : 127;
  const first = (header.fin ? 128 : 0) | header.rsv << 4 | header.opcode;
  const flags = [header.fin ? "fin" : "more fragments follow", ...[[4, "rsv1"], [2, "rsv2"], [1, "rsv3"]].filter(([bit]) => header.rsv & bit).map(([, name]) => name)];
  const lines = [
    [[first], `${bits(first >> 7, 1)} ${bits(header.rsv, 3)} ${bits(header.opcode, 4)}`, `${flags.join(", ")}; opcode 0x${header.opcode.toString(16)}, ${name}`],
    [[(header.key ? 128 : 0) | length], `${header.key ? 1 : 0} ${bits(length, 7)}`, `${header.key ? "masked" : "not masked"}; ${header.bits === 7 ? `length ${length}` : `the length is in the next ${header.bits / 8} bytes`}`],
  ];
  if (header.bits > 7) {
    const digits = header.length.toString(16).padStart(header.bits / 4, "0");
    lines.push([digits.match(/../g).map(byte => parseInt(byte, 16)), "", `length ${header.length}`]);
  }
  if (header.key) lines.push([header.key.match(/../g).map(byte => parseInt(byte, 16)), "", "masking key"]);
  const wide = Math.max(...lines.map(([bytes]) => hexBytes(bytes).length));
  return lines.map(([bytes, bits, words]) => `${hexBytes(bytes).padEnd(wide)}  ${bits.padEnd(10)}  ${words}`).join("\n");
}
