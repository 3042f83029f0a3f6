/** The pages of what `fastsde` itself exports, by address: their titles, and the folders of src/ where it is declared; the last has the rest. */
export const subjects = {
  sampling: ['Sampling', 'sampling', 'shards'],
  sdes: ['SDEs, levels and grids', 'sde'],
  models: ['Score models', 'score'],
  samplers: ['Samplers', 'solvers'],
  control: ['Guidance and restoration', 'control'],
  likelihood: ['Likelihood and latent codes', 'likelihood'],
  latent: ['Latent models', 'latent'],
  services: ['Services', 'engine'],
  pictures: ['Pictures', 'io'],
  noise: ['Noise and devices', 'device'],
  errors: ['Errors, and what several share'],
};

/** The pages of the other entry points. */
export const entries = ['training', 'evaluation', 'data', 'onnx', 'queue'];

export const titleOf = (page) => subjects[page]?.[0] ?? `fastsde/${page}`;
