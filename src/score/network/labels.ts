import { OptionError } from '../../errors.js';
import { nearest } from '../../options.js';
import type { Parameterization } from '../model.js';
import type { Level } from '../../sde/level.js';

/** Which number a network is fed as its time. */
export interface LabelRule {
  /** The name by which options and model files choose the rule. */
  readonly name: string;
  /** Whether labels count trained levels; between them they are fractions, where the network takes those. */
  readonly discrete: boolean;
  /** The label at a level; `levels` is the number of trained levels. */
  label(level: Level, levels: number): number;
}

const fixedRules: readonly LabelRule[] = [
  { name: 't', discrete: false, label: ({ t }) => t },
  { name: 'sigma', discrete: false, label: ({ sigma }) => sigma },
  { name: 'log-sigma', discrete: false, label: ({ sigma }) => Math.log(sigma) },
  { name: 'c-noise', discrete: false, label: ({ alpha, sigma }) => 0.25 * Math.log(sigma / alpha) },
  { name: 'dpm-solver', discrete: false, label: ({ t }, levels) => 1000 * (t - 1 / levels) },
  { name: 'index', discrete: true, label: trainedIndex },
  {
    name: 'reversed-index',
    discrete: true,
    label: (level, levels) => levels - 1 - trainedIndex(level, levels),
  },
];

/**
 * What a network may be fed as its time:
 *
 * - `t`, `t*999`, any `t*<factor>`: time, scaled. 999 is that of the continuous VP and sub-VP networks of Song et al. 2021;
 * - `1-t`, any `(1-t)*<factor>`: time from the noise to the data, as some networks of flow matching count it;
 * - `sigma`: sigma(t), their VE networks; also denoisers D(x, sigma);
 * - `log-sigma`: ln sigma(t);
 * - `c-noise`: ln(sigma / alpha) / 4, the raw networks of Karras et al. 2022;
 * - `dpm-solver`: 1000 (t - 1 / levels), how Lu et al. 2022 give continuous times to a network of trained levels;
 * - `index`: the trained level, 0 = least noise (DDPM; diffusers' timesteps), and in between levels t - 1;
 * - `reversed-index`: the trained level counted from the most noise (SMLD, NCSN, NCSNv2).
 */
export const labelNames: readonly string[] = [
  't*999',
  ...fixedRules.map(({ name }) => name),
  '1-t',
  '(1-t)*1000',
];

/**
 * The rule of one of {@link labelNames}, with any factor.
 *
 * @throws OptionError for another name, with the nearest one.
 */
export function labelRule(name: string): LabelRule {
  const fixed = fixedRules.find((rule) => rule.name === name);
  if (fixed) return fixed;
  const ofTime = typeof name === 'string' ? /^(t|1-t|\(1-t\))(?:\*(.+))?$/.exec(name) : null;
  if (ofTime) {
    const [, time, factor] = ofTime;
    const scale = factor === undefined ? 1 : Number(factor);
    if (!(Number.isFinite(scale) && scale > 0)) {
      throw new OptionError('labels', name, "a time times a positive number, such as 't*999'");
    }
    if (time === 't') return { name: `t*${scale}`, discrete: false, label: ({ t }) => scale * t };
    const label = ({ t }: Level): number => scale * (1 - t);
    return { name: factor === undefined ? '1-t' : `(1-t)*${scale}`, discrete: false, label };
  }
  const near = nearest(name, labelNames);
  const hint = near === undefined ? '' : ` (did you mean ${near}?)`;
  throw new OptionError('labels', name, `one of ${labelNames.join(', ')}${hint}`);
}

/** The rule of the published networks of this SDE and parameterization. */
export function defaultLabels(
  sde: string,
  parameterization: Parameterization,
  trainedLevels: boolean,
): string {
  if (parameterization === 'edm') return 'c-noise';
  if (trainedLevels) return sde === 've' ? 'reversed-index' : 'index';
  if (sde === 'flow') return parameterization === 'reversed-flow' ? '1-t' : 't';
  return sde === 'vp' || sde === 'subvp' ? 't*999' : 'sigma';
}

/** The level, a fraction between two of them (see `ladderSde`). */
function trainedIndex({ t, index }: Level, levels: number): number {
  return index ?? levels * t - 1;
}
