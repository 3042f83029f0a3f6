/**
 * Asks for a run, and hands on its messages as they come.
 *
 * @param {object} body as draw.js of the server takes it
 * @param {AbortSignal} signal stops the run
 * @param {(message: object) => void} onMessage
 * @throws {Error} with what the server says is wrong
 */
export async function run(body, signal, onMessage) {
  const response = await fetch('draw', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal,
  });
  if (!response.ok) {
    const { message = `The server answered ${response.status}` } = await response.json().catch(() => ({}));
    throw new Error(message);
  }
  let last;
  for await (const line of lines(response.body)) {
    last = JSON.parse(line);
    if (last.type === 'failure') throw new Error(last.message);
    onMessage(last);
  }
  if (last?.type !== 'result') throw new Error('The server went away');
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const whole = (text + value).split('\n');
    text = whole.pop();
    // An empty line is a sign of life.
    yield* whole.filter((line) => line !== '');
  }
}

/** @param {string} text base64 */
export function bytesOf(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
