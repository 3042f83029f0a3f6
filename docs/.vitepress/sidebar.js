import { entries, subjects, titleOf } from './api-pages.js';

const group = (text, pages, collapsed) => ({
  text,
  collapsed,
  items: pages.map(([text, link]) => ({ text, link })),
});

/** The pages of the site in the order of reading. */
export const sidebar = [
  group('Start', [
    ['Start in five minutes', '/start'],
    ['Installation', '/installation'],
    ['Questions', '/questions'],
    ['Troubleshooting', '/troubleshooting'],
  ]),
  group('Guides', [
    ['Draw samples', '/sampling'],
    ['Compare samplers', '/compare'],
    ['Guide', '/guidance'],
    ['Restore', '/restoration'],
    ['Likelihood and latent codes', '/likelihood'],
    ['Train', '/training'],
    ['Evaluate', '/evaluation'],
    ['Texts to pictures', '/latent'],
    ['Serve', '/service'],
    ['Scale', '/scaling'],
    ['On a GPU', '/gpu'],
    ['Bring your network', '/export'],
  ]),
  group('Background', [
    ['The mathematics', '/mathematics'],
    ['Samplers', '/samplers'],
    ["The paper's table", '/paper'],
    ['Training objectives', '/objectives'],
    ['Defects of published samplers', '/defects'],
    ['Performance', '/performance'],
    ['Architecture', '/architecture'],
    ['Security', '/security'],
  ]),
  group('Reference', [
    ['Command line', '/cli'],
    ['Models', '/models'],
    ['Networks', '/networks'],
    ['Derivatives of ONNX models', '/autodiff'],
  ]),
  group(
    'API',
    [
      ['Overview', '/api/'],
      ...Object.keys(subjects)
        .concat(entries)
        .map((page) => [titleOf(page), `/api/${page}`]),
    ],
    true,
  ),
];
