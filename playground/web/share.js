// A program as part of an address: compressed, in letters that any address may contain. Nothing is sent to a server, because
// browsers keep the part after # for themselves.
const PREFIX = "#program=";
const MOST = 1 << 20; // characters of a program

async function pass(bytes, stream) {
  const answer = new Response(new Blob([bytes]).stream().pipeThrough(stream));
  return new Uint8Array(await answer.arrayBuffer());
}

export async function encodeProgram(text) {
  const bytes = await pass(new TextEncoder().encode(text), new CompressionStream("deflate-raw"));
  let letters = "";
  for (const byte of bytes) letters += String.fromCharCode(byte);
  return PREFIX + btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// Returns the program of an address, or null if it has none. Throws an error if it is damaged.
export async function decodeProgram(fragment) {
  if (!fragment.startsWith(PREFIX)) return null;
  const letters = atob(fragment.slice(PREFIX.length).replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = await pass(Uint8Array.from(letters, letter => letter.charCodeAt(0)), new DecompressionStream("deflate-raw"));
  if (bytes.length > MOST) throw new Error("too long");
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}
