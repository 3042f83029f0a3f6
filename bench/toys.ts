import { loadData } from '../src/data/load.js';
import { eightGaussians, toys, type ToyName } from '../src/data/toys.js';
import { modelBytes } from '../src/onnx/file/model.js';
import { mixtureModel } from '../src/score/mixture/model.js';
import type { ScoreModel } from '../src/score/model.js';
import { loadModel } from '../src/score/network/load.js';
import { vp } from '../src/sde/vp.js';
import { decode } from '../src/likelihood/latent.js';
import { chooseRecipe } from '../src/training/recipe.js';
import { train } from '../src/training/train.js';
import { energyDistance, meanDistance, project, type Projections } from './energy-distance.js';
import { printTable } from './measure.js';

/** Points of either set of a comparison. */
const POINTS = 5000;
/** Points that stand for the law of a toy, and latent codes that stand for the prior. */
const LAW = 400_000;
const CODES = 8192;
const SEEDS = 3;

/**
 * Energy distance of what `fastsde train --data <toy>` has learned to the law of the toy, over that of two sets of data, which
 * is what samples of the law itself would have.
 *
 * A single pair of sets scatters too much to tell anything, so that expectations are compared: for n points from either law,
 * E V_n = D^2 + (E|X - X'| + E|Y - Y'|) / n (Szekely and Rizzo 2013), of which the floor has the second term alone.
 */
export async function run(names: readonly ToyName[] = Object.keys(toys) as ToyName[]): Promise<void> {
  console.log(
    `Energy distance of ${POINTS} samples to ${POINTS} points of the data, over that of the data to themselves:\n`,
  );
  const exact = mixtureModel(eightGaussians(), vp());
  const rows: string[][] = [
    ['eight-gaussians', 'exact score', (await ratioOf(exact, lawOf('eight-gaussians'))).toFixed(2)],
  ];
  for (const name of names) {
    const law = lawOf(name);
    const before = process.cpuUsage();
    const models: ScoreModel[] = [];
    for (let seed = 0; seed < SEEDS; seed++) models.push(await learned(name, seed));
    const { user, system } = process.cpuUsage(before);
    const ratios: number[] = [];
    for (const model of models) {
      ratios.push(await ratioOf(model, law));
      await model.close();
    }
    const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / SEEDS;
    const variance = ratios.reduce((sum, ratio) => sum + (ratio - mean) ** 2, 0) / (SEEDS - 1);
    rows.push([
      name,
      ratios.map((ratio) => ratio.toFixed(2)).join(' '),
      mean.toFixed(2),
      Math.sqrt(variance / SEEDS).toFixed(2),
      ((user + system) / 1e6 / SEEDS).toFixed(0),
    ]);
  }
  printTable(
    ['toy', `ratios of seeds 0 to ${SEEDS - 1}`, 'mean', 'standard error', 'processor s'],
    rows.map((row) => Array.from({ length: 5 }, (_, i) => row[i] ?? '')),
  );
}

/** The network that the command line trains by default. */
async function learned(name: ToyName, seed: number): Promise<ScoreModel> {
  const data = await loadData(name, { split: 'train' });
  const recipe = chooseRecipe(data, { seed });
  const { model } = await train(recipe.model, data, recipe.options);
  return loadModel(modelBytes(model), { probe: false });
}

function lawOf(name: ToyName): Projections {
  return project(toys[name].sample(LAW, { first: 1e6 }).data);
}

/** The samples are those of the probability-flow ODE from evenly spread latent codes, which all but removes their scatter. */
async function ratioOf(model: ScoreModel, law: Projections): Promise<number> {
  const { values } = await decode(model, spreadNormals(CODES), { batch: 4096, rtol: 1e-5, atol: 1e-5 });
  const distance = meanDistance(law);
  const floor = (2 * distance) / POINTS;
  return 1 + (energyDistance(project(values), law) - distance / LAW) / floor;
}

/** Points of the plane [n, 2] spread evenly over the normal law: a lattice (Roberts' R2 sequence) through Box and Muller. */
function spreadNormals(count: number): Float64Array {
  const plastic = 1.324717957244746;
  const points = new Float64Array(2 * count);
  for (let i = 0; i < count; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - ((0.5 + i / plastic) % 1)));
    const angle = 2 * Math.PI * ((0.5 + i / plastic ** 2) % 1);
    points.set([radius * Math.cos(angle), radius * Math.sin(angle)], 2 * i);
  }
  return points;
}
