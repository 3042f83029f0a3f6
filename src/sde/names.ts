/** Names of the SDEs, of the spacings of their times and of the kinds of grids; nothing is imported, so that they load at once. */
export const sdeNames = ['vp', 'subvp', 've', 'edm'] as const;
export type SdeName = (typeof sdeNames)[number];

export const spacings = ['uniform-t', 'uniform-lambda', 'quadratic', 'karras', 'power'] as const;
export type Spacing = (typeof spacings)[number];

export const gridKinds = ['exact', 'reference'] as const;
export type GridKind = (typeof gridKinds)[number];
