import { execFileSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const library = new URL('../../dist/index.js', import.meta.url).href;
const rounds = 21;

/** Start of the command line and of a program that imports the library, beside that of Node alone, in turns. */
export function run(): void {
  const timed =
    'const start = performance.now(); await import(process.argv[1]); console.log(performance.now() - start)';
  const measures: Record<string, () => number> = {
    'node alone': () => wall('-e', '0'),
    'fastsde --help': () => wall(cli, '--help'),
    'fastsde --version': () => wall(cli, '--version'),
    "import 'fastsde', within Node": () => Number(node('--input-type=module', '-e', timed, library)),
  };
  const times = Object.keys(measures).map((): number[] => []);
  for (let round = 0; round < rounds; round++)
    Object.values(measures).forEach((measure, i) => times[i]!.push(measure()));
  console.log(`start, ms, ${rounds} rounds              least  median`);
  Object.keys(measures).forEach((name, i) => {
    const sorted = times[i]!.sort((a, b) => a - b);
    const [least, median] = [sorted[0]!, sorted[(rounds - 1) / 2]!].map((ms) => ms.toFixed(1).padStart(7));
    console.log(`  ${name.padEnd(32)}${least!} ${median!}`);
  });
}

function wall(...args: string[]): number {
  const start = performance.now();
  node(...args);
  return performance.now() - start;
}

function node(...args: string[]): string {
  return execFileSync(process.execPath, args, { encoding: 'utf8' });
}
