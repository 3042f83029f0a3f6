import { linearPredictor, type LinearPredictor } from '../predictor.js';

/**
 * Euler-Maruyama on the reverse-time SDE dx = [f - g^2 s] dt + g dw (Song et al. 2021, equation 6). A trained ladder has f and g of
 * its own: over a step their integrals are those of its transition.
 */
export function eulerMaruyama(): LinearPredictor {
  const predictor = linearPredictor('euler-maruyama', ({ from: { t }, h }, sde) => {
    const g = sde.diffusion(t);
    return { state: 1 - sde.drift(t) * h, score: g * g * h, noise: g * Math.sqrt(h) };
  });
  return {
    ...predictor,
    begin(batch, steps) {
      if (!batch.model.ladder) return predictor.begin(batch, steps);
      return ({ retain, spread }, address) => {
        batch.update({ state: 1 - Math.log(retain), score: spread, noise: Math.sqrt(spread) }, address);
      };
    },
  };
}
