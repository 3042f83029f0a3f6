// Pictures of lines and points as SVG, in colours that can be read on white and on black.

export const colours = ['#4c6ef5', '#e8590c', '#2f9e44', '#c2255c', '#1098ad', '#f08c00'] as const;

const size = 220;
const margin = { left: 12, top: 30, between: 18, below: 26 };

/** A square of the plane, [least, greatest] of both axes, and what is drawn in it. */
export interface Panel {
  readonly title: string;
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  /** Below the panel. */
  readonly note?: string;
  readonly content: (at: At) => readonly string[];
}

/** Where a point of a panel lies in the picture, as SVG writes it. */
export type At = (x: number, y: number) => string;

/** Panels beside each other. */
export function picture(panels: readonly Panel[]): string {
  const width = 2 * margin.left + panels.length * size + (panels.length - 1) * margin.between;
  const height = margin.top + size + margin.below;
  const drawn = panels.flatMap((panel, i) => draw(panel, margin.left + i * (size + margin.between)));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">
${drawn.join('\n')}
</svg>
`;
}

export const line = (points: readonly string[], colour: string, width = 1.2, opacity = 1): string =>
  `<path d="M${points.join('L')}" fill="none" stroke="${colour}" stroke-width="${width}" stroke-opacity="${opacity}"/>`;

/** Separate pieces of one colour, [from, to] each. */
export const strokes = (pieces: readonly (readonly [string, string])[], colour: string): string =>
  `<path d="${pieces.map(([from, to]) => `M${from}L${to}`).join('')}" fill="none" stroke="${colour}" stroke-width="1"/>`;

export const area = (points: readonly string[], colour: string, opacity: number): string =>
  `<path d="M${points.join('L')}Z" fill="${colour}" fill-opacity="${opacity}"/>`;

export const dots = (points: readonly string[], colour: string, radius: number, opacity = 1): string =>
  `<path d="${points.map((point) => `M${point}h0`).join('')}" stroke="${colour}" stroke-width="${2 * radius}" stroke-linecap="round" stroke-opacity="${opacity}"/>`;

function draw({ title, note, x, y, content }: Panel, left: number): string[] {
  const at: At = (a, b) => {
    const across = left + (size * (a - x[0])) / (x[1] - x[0]);
    const down = margin.top + (size * (y[1] - b)) / (y[1] - y[0]);
    return `${across.toFixed(1)} ${down.toFixed(1)}`;
  };
  const middle = left + size / 2;
  const text = (words: string, height: number) =>
    `<text x="${middle}" y="${height}" text-anchor="middle" fill="#868e96">${words}</text>`;
  const id = `panel-${left}`;
  return [
    `<clipPath id="${id}"><rect x="${left}" y="${margin.top}" width="${size}" height="${size}"/></clipPath>`,
    `<g clip-path="url(#${id})">`,
    ...content(at),
    '</g>',
    `<rect x="${left}" y="${margin.top}" width="${size}" height="${size}" fill="none" stroke="#868e96" stroke-opacity="0.5"/>`,
    text(title, margin.top - 9),
    ...(note === undefined ? [] : [text(note, margin.top + size + 17)]),
  ];
}
