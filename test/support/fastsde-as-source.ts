// To be given to node --import: a program's `import 'fastsde'` then is the library that these tests were compiled with.
import { register } from 'node:module';

const url = new URL('../../src/index.js', import.meta.url).href;
const hook = `
  export function resolve(specifier, context, next) {
    return specifier === 'fastsde' ? { url: ${JSON.stringify(url)}, shortCircuit: true } : next(specifier, context);
  }`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
