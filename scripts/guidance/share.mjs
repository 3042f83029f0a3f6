/** The share of digits [count, 1, 28, 28] in [-1, 1] that a feature network with logits takes for their class. */
export async function shareOfClass(network, samples, classes) {
  const bytes = Uint8Array.from(samples, (value) =>
    Math.round(Math.min(255, Math.max(0, (value + 1) * 127.5))),
  );
  const { logits } = await network.run(bytes, [classes.length, 1, 28, 28]);
  let right = 0;
  classes.forEach((digit, i) => {
    const own = logits.subarray(i * 10, (i + 1) * 10);
    if (own.indexOf(Math.max(...own)) === digit) right++;
  });
  return right / classes.length;
}
