import { OptionError } from '../errors.js';
import { pathOf, type FilePath } from './path.js';
import { writeAtomically } from './atomic.js';
import { frame, ticks } from './axis.js';
import { density, shade, viewOf, type View } from './shading.js';
import { loadSharp } from './sharp.js';

/** What a scatter picture shows: points of the plane, and if given the paths that led to them. */
export interface Scatter {
  /** x and y of each point, one after the other. */
  readonly points: Float32Array;
  /** States of the same points at increasing steps, each laid out as `points`. */
  readonly paths?: readonly Float32Array[];
}

const size = 640;
const margin = { left: 56, right: 16, top: 16, bottom: 40 };
const plot = { width: size - margin.left - margin.right, height: size - margin.top - margin.bottom };

/** Writes a scatter picture with density shading as a PNG file, atomically. */
export async function writeScatter(file: FilePath, scatter: Scatter): Promise<void> {
  const path = pathOf('path', file);
  await writeAtomically(path, await scatterPng(scatter));
}

/**
 * A scatter picture with axes as a PNG file: a kernel density estimate as shading, up to 4000 points as dots over it, up
 * to 50 paths as faint lines. Both axes have one scale and reach over all points, or over the central 99.9 % where a
 * few lie far out.
 */
export async function scatterPng({ points, paths = [] }: Scatter): Promise<Uint8Array> {
  if (!((points as unknown) instanceof Float32Array) || points.length === 0 || points.length % 2 !== 0)
    throw new OptionError('points', points, 'a Float32Array of x and y of each point, one after the other');
  const sharp = await loadSharp();
  const view = viewOf(points);
  const bins = 128;
  const shading = await sharp(shade(density(points, view, bins)), {
    raw: { width: bins, height: bins, channels: 4 },
  })
    .resize(plot.width, plot.height, { kernel: 'cubic', fit: 'fill' })
    .png()
    .toBuffer();
  return sharp({ create: { width: size, height: size, channels: 3, background: '#ffffff' } })
    .composite([
      { input: shading, left: margin.left, top: margin.top },
      { input: Buffer.from(svg(points, paths, view)), left: 0, top: 0 },
    ])
    .png()
    .toBuffer();
}

function svg(points: Float32Array, paths: readonly Float32Array[], view: View): string {
  const px = (x: number): string => (margin.left + ((x - view.left) / view.extent) * plot.width).toFixed(1);
  const py = (y: number): string =>
    (margin.top + (1 - (y - view.bottom) / view.extent) * plot.height).toFixed(1);
  const at = (state: Float32Array, n: number): string => `${px(state[2 * n]!)},${py(state[2 * n + 1]!)}`;
  const count = points.length / 2;

  const lines = Array.from({ length: paths.length > 0 ? Math.min(count, 50) : 0 }, (_, n) => {
    return `<polyline points="${[...paths, points].map((state) => at(state, n)).join(' ')}"/>`;
  });
  const dots = Array.from({ length: Math.min(count, 4000) }, (_, n) => {
    return `<circle cx="${px(points[2 * n]!)}" cy="${py(points[2 * n + 1]!)}" r="1.4"/>`;
  });
  const box = { ...margin, ...plot };
  const x = { ticks: ticks(view.left, view.extent), at: px };
  const y = { ticks: ticks(view.bottom, view.extent), at: py };
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}">
  <clipPath id="plot"><rect x="${box.left}" y="${box.top}" width="${box.width}" height="${box.height}"/></clipPath>
  <g clip-path="url(#plot)">
    <g fill="none" stroke="#b2582b" stroke-width="0.5" stroke-opacity="0.3">${lines.join('')}</g>
    <g fill="#08306b" fill-opacity="${count > 1000 ? 0.35 : 0.6}">${dots.join('')}</g>
  </g>
  ${frame(box, x, y)}
</svg>`;
}
