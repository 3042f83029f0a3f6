import { writeAtomically } from './atomic.js';
import { tickLabel, ticks, typeface } from './axis.js';
import { shade, type View } from './shading.js';
import { loadSharp } from './sharp.js';

/** One plot of the plane. */
export interface Panel {
  readonly title: string;
  /** A density on bins x bins cells of the view, row by row from the top; shown relative to its maximum. */
  readonly density?: Float64Array;
  /** Points [n, 2], shown as dots. */
  readonly points?: Float32Array;
  readonly field?: VectorField;
}

/** Vectors [n, 2] at places [n, 2] of the plane; shown as arrows whose lengths are relative to the longest. */
export interface VectorField {
  readonly places: Float32Array;
  readonly vectors: Float32Array;
}

/** Plots of one square of the plane, side by side. */
export interface Panels {
  readonly panels: readonly Panel[];
  readonly view: View;
  /** Default 3. */
  readonly columns?: number;
}

const plot = 280;
const gap = { x: 18, y: 44 };
const margin = { left: 44, right: 16, top: 36, bottom: 32 };

/** Writes plots of the plane as a PNG file, atomically. */
export async function writePanels(path: string, panels: Panels): Promise<void> {
  await writeAtomically(path, await panelsPng(panels));
}

/** Plots of the plane in reading order as a PNG file: densities as shading, points as dots, vectors as arrows. */
export async function panelsPng({ panels, view, columns = 3 }: Panels): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const across = Math.min(columns, panels.length);
  const down = Math.ceil(panels.length / columns);
  const width = margin.left + across * plot + (across - 1) * gap.x + margin.right;
  const height = margin.top + down * plot + (down - 1) * gap.y + margin.bottom;
  const placed = panels.map((panel, i) => ({
    ...panel,
    left: margin.left + (i % columns) * (plot + gap.x),
    top: margin.top + Math.floor(i / columns) * (plot + gap.y),
    /** Whether another panel lies to the left, and below. */
    inner: { left: i % columns > 0, below: i + columns < panels.length },
  }));
  const shaded = placed.flatMap(({ density, left, top }) => (density ? [{ density, left, top }] : []));
  const images = await Promise.all(
    shaded.map(async ({ density, left, top }) => ({ input: await shading(density), left, top })),
  );
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
  ${placed.map((panel) => panelSvg(panel, view)).join('\n')}
</svg>`;
  return sharp({ create: { width, height, channels: 3, background: '#ffffff' } })
    .composite([...images, { input: Buffer.from(drawing), left: 0, top: 0 }])
    .png()
    .toBuffer();
}

async function shading(density: Float64Array): Promise<Buffer> {
  const sharp = await loadSharp();
  const bins = Math.sqrt(density.length);
  const peak = density.reduce((a, b) => Math.max(a, b), Number.MIN_VALUE);
  const pixels = shade(density.map((value) => value / peak));
  return sharp(pixels, { raw: { width: bins, height: bins, channels: 4 } })
    .resize(plot, plot, { kernel: 'cubic', fit: 'fill' })
    .png()
    .toBuffer();
}

interface Placed extends Panel {
  readonly left: number;
  readonly top: number;
  readonly inner: { readonly left: boolean; readonly below: boolean };
}

function panelSvg({ title, points, field, left, top, inner }: Placed, view: View): string {
  const scale = plot / view.extent;
  const px = (x: number): number => left + (x - view.left) * scale;
  const py = (y: number): number => top + plot - (y - view.bottom) * scale;
  const inside = (x: number, y: number): boolean =>
    x >= view.left && x <= view.left + view.extent && y >= view.bottom && y <= view.bottom + view.extent;

  const dots: string[] = [];
  for (let i = 0; points && i < points.length; i += 2) {
    const [x, y] = [points[i]!, points[i + 1]!];
    if (inside(x, y)) dots.push(`<circle cx="${px(x).toFixed(1)}" cy="${py(y).toFixed(1)}" r="0.8"/>`);
  }
  const xTicks = ticks(view.left, view.extent, 6);
  const yTicks = ticks(view.bottom, view.extent, 6);
  const marks = [
    ...xTicks.map((x) => `M${px(x).toFixed(1)} ${top + plot}v4`),
    ...yTicks.map((y) => `M${left} ${py(y).toFixed(1)}h-4`),
  ];
  const labels = [
    `<text x="${left + plot / 2}" y="${top - 10}" text-anchor="middle" font-size="14">${title}</text>`,
    ...(inner.below ? [] : xTicks).map(
      (x) =>
        `<text x="${px(x).toFixed(1)}" y="${top + plot + 18}" text-anchor="middle">${tickLabel(x)}</text>`,
    ),
    ...(inner.left ? [] : yTicks).map(
      (y) => `<text x="${left - 8}" y="${py(y).toFixed(1)}" dy="4" text-anchor="end">${tickLabel(y)}</text>`,
    ),
  ];
  return `<g fill="#08306b" fill-opacity="0.5">${dots.join('')}</g>
  ${field ? arrows(field, px, py) : ''}
  <g fill="none" stroke="#444"><rect x="${left}" y="${top}" width="${plot}" height="${plot}"/><path d="${marks.join('')}"/></g>
  <g fill="#222" font-family="${typeface}" font-size="12">${labels.join('')}</g>`;
}

/** Length in pixels of the longest arrow. */
const longest = 13;

function arrows(
  { places, vectors }: VectorField,
  px: (x: number) => number,
  py: (y: number) => number,
): string {
  let most = Number.MIN_VALUE;
  for (let i = 0; i < vectors.length; i += 2) most = Math.max(most, Math.hypot(vectors[i]!, vectors[i + 1]!));
  const shafts: string[] = [];
  const heads: string[] = [];
  for (let i = 0; i < vectors.length; i += 2) {
    const [x, y] = [px(places[i]!), py(places[i + 1]!)];
    const [dx, dy] = [(vectors[i]! / most) * longest, (-vectors[i + 1]! / most) * longest];
    const length = Math.hypot(dx, dy);
    if (!(length > 1)) continue;
    const at = (along: number, across: number): string =>
      `${(x + dx * along - (dy * across) / length).toFixed(1)} ${(y + dy * along + (dx * across) / length).toFixed(1)}`;
    const back = 1 - Math.min(0.5, 4 / length);
    shafts.push(`M${at(0, 0)}L${at(back, 0)}`);
    heads.push(`M${at(1, 0)}L${at(back, 1.6)}L${at(back, -1.6)}Z`);
  }
  return `<path d="${shafts.join('')}" stroke="#b2582b" stroke-width="0.9"/><path d="${heads.join('')}" fill="#b2582b"/>`;
}
