import test from 'ava';
import { expectTypeOf } from 'expect-type';
import {
  ancestral,
  functionModel,
  langevin,
  sample,
  vp,
  type Corrector,
  type Named,
  type Predictor,
  type PredictorName,
  type Preview,
  type SampleOptions,
  type SampleResult,
  type ScoreModel,
  type Sde,
} from '../../src/index.js';

test('the public types are those that the documentation shows', (t) => {
  expectTypeOf(vp()).toEqualTypeOf<Sde>();
  expectTypeOf(ancestral({ clip: true })).toExtend<Predictor>();
  expectTypeOf(langevin()).toEqualTypeOf<Corrector>();
  expectTypeOf<Awaited<ReturnType<typeof sample>>>().toEqualTypeOf<SampleResult>();
  expectTypeOf(sample).returns.toExtend<AsyncIterable<Preview>>();
  expectTypeOf(functionModel).returns.toEqualTypeOf<ScoreModel>();
  expectTypeOf<SampleOptions['predictor']>().toEqualTypeOf<Named<PredictorName, Predictor> | undefined>();
  const model = {} as ScoreModel;
  // @ts-expect-error a misspelt name
  const misspelt: SampleOptions = { predictor: 'eulr' };
  // @ts-expect-error an option that does not exist
  const unknown: SampleOptions = { stepCount: 3 };
  // @ts-expect-error results cannot be written to
  const write = (result: SampleResult) => (result.counts = result.counts);
  t.truthy([model, misspelt, unknown, write]);
});
