import { lawAt } from './law.js';

const cells = 90;
const arrows = 15;
/** Points whose paths are shown; more hide one another. */
const pathsShown = 20;

/** Draws a mixture at one level, and the points that are there. Returns how its coordinates lie on the canvas. */
export function drawPlane(canvas, mixture, frames, shown, { density, score, paths, reach }) {
  const context = canvas.getContext('2d');
  const size = canvas.width;
  const colour = coloursOf(canvas);
  const frame = frames[shown] ?? { alpha: 1, sigma: 0 };
  const law = lawAt(mixture, frame);
  const half = reach ?? law.reach;
  const at = (value) => ((value / half + 1) / 2) * size;
  context.clearRect(0, 0, size, size);
  if (density) drawDensity(context, law, half, colour('--density'));
  drawAxes(context, half, colour);
  if (score) drawScore(context, law, half, colour('--field'));
  if (paths) drawPaths(context, frames, shown, at, colour('--paths'));
  if (frame.points) drawPoints(context, frame.points, at, colour('--points'), colour('--panel'));
  return half;
}

function coloursOf(canvas) {
  const style = getComputedStyle(canvas);
  return (name) => style.getPropertyValue(name).trim();
}

function drawDensity(context, law, half, colour) {
  const picture = new OffscreenCanvas(cells, cells);
  const small = picture.getContext('2d');
  small.fillStyle = colour;
  small.fillRect(0, 0, cells, cells);
  const image = small.getImageData(0, 0, cells, cells);
  for (let row = 0; row < cells; row++)
    for (let column = 0; column < cells; column++) {
      const [x, y] = [column, cells - 1 - row].map((i) => (((i + 0.5) / cells) * 2 - 1) * half);
      // The root lets one see what is rare, too.
      image.data[4 * (row * cells + column) + 3] = 200 * Math.sqrt(law.density(x, y) / law.peak);
    }
  small.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(picture, 0, 0, context.canvas.width, context.canvas.width);
}

/** Lines at round numbers, with the numbers. */
function drawAxes(context, half, colour) {
  const size = context.canvas.width;
  const power = 10 ** Math.floor(Math.log10(half));
  const step = [0.2, 0.5, 1, 2, 5].map((factor) => factor * power).find((value) => half / value < 4.5);
  context.strokeStyle = colour('--line');
  context.lineWidth = 1;
  context.fillStyle = colour('--quiet');
  context.font = `${Math.max(size / 48, (10 * size) / context.canvas.clientWidth)}px system-ui, sans-serif`;
  for (let i = Math.ceil(-half / step); i * step <= half; i++) {
    const place = Math.round((((i * step) / half + 1) / 2) * size) + 0.5;
    context.beginPath();
    context.moveTo(place, 0);
    context.lineTo(place, size);
    context.moveTo(0, size - place);
    context.lineTo(size, size - place);
    context.globalAlpha = i === 0 ? 1 : 0.4;
    context.stroke();
    context.globalAlpha = 1;
    if (Math.abs(i * step) < 0.9 * half)
      context.fillText(String(Number((i * step).toPrecision(3))), place + size / 150, size - size / 100);
  }
}

/** Arrows along the score; the length tells its size up to a limit, as it spans many orders. */
function drawScore(context, law, half, colour) {
  const size = context.canvas.width;
  const cell = size / arrows;
  context.strokeStyle = colour;
  context.lineWidth = Math.max(1, size / 600);
  context.globalAlpha = 0.55;
  context.beginPath();
  for (let row = 0; row < arrows; row++)
    for (let column = 0; column < arrows; column++) {
      const [left, top] = [(column + 0.5) * cell, (row + 0.5) * cell];
      const [x, y] = law.score(((2 * left) / size - 1) * half, (1 - (2 * top) / size) * half);
      const norm = Math.hypot(x, y);
      if (norm === 0) continue;
      const length = (0.8 * cell * norm) / (norm + 2 / half);
      const [across, down] = [x / norm, -y / norm];
      const head = Math.min(length / 2, cell / 5);
      const [tipX, tipY] = [left + (across * length) / 2, top + (down * length) / 2];
      context.moveTo(tipX - across * length, tipY - down * length);
      context.lineTo(tipX, tipY);
      context.moveTo(tipX - head * (across - down * 0.6), tipY - head * (down + across * 0.6));
      context.lineTo(tipX, tipY);
      context.lineTo(tipX - head * (across + down * 0.6), tipY - head * (down - across * 0.6));
    }
  context.stroke();
  context.globalAlpha = 1;
}

function drawPaths(context, frames, shown, at, colour) {
  const size = context.canvas.width;
  const count = Math.min(pathsShown, (frames[0]?.points.length ?? 0) / 2);
  context.strokeStyle = colour;
  context.lineWidth = Math.max(1, size / 700);
  context.globalAlpha = 0.45;
  for (let i = 0; i < count; i++) {
    context.beginPath();
    for (let k = 0; k <= shown; k++)
      context.lineTo(at(frames[k].points[2 * i]), size - at(frames[k].points[2 * i + 1]));
    context.stroke();
  }
  context.globalAlpha = 1;
}

function drawPoints(context, points, at, colour, edge) {
  const size = context.canvas.width;
  context.fillStyle = colour;
  context.strokeStyle = edge;
  context.lineWidth = Math.max(1, size / 700);
  for (let i = 0; i < points.length; i += 2) {
    context.beginPath();
    context.arc(at(points[i]), size - at(points[i + 1]), Math.max(2.5, size / 190), 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
}
