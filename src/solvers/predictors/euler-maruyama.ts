import { linearPredictor, type LinearPredictor } from '../predictor.js';

/** Euler-Maruyama on the reverse-time SDE dx = [f - g^2 s] dt + g dw (Song et al. 2021, equation 6). */
export function eulerMaruyama(): LinearPredictor {
  return linearPredictor('euler-maruyama', ({ from: { t }, h }, sde) => {
    const g = sde.diffusion(t);
    return { state: 1 - sde.drift(t) * h, score: g * g * h, noise: g * Math.sqrt(h) };
  });
}
