// To be given to node --import: `fastsde` and its entry points then are the library that these tests were compiled with.
import { register } from 'node:module';

const source = new URL('../../src/', import.meta.url).href;
const hook = `
  export function resolve(specifier, context, next) {
    const [whole, entry = 'index'] = /^fastsde(?:[/](.+))?$/.exec(specifier) ?? [];
    if (whole === undefined) return next(specifier, context);
    return { url: ${JSON.stringify(source)} + entry + '.js', shortCircuit: true };
  }`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
