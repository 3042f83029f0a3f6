import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { parse } from 'yaml';

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly if?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly needs?: string | readonly string[];
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly unknown[]>> };
  readonly permissions?: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly on: object;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const folder = join('.github', 'workflows');
const workflow = async (name: string): Promise<Workflow> =>
  parse(await readFile(join(folder, name), 'utf8')) as Workflow;
const commandsOf = ({ steps }: Job): string[] => steps.flatMap(({ run }) => run ?? []);
const { scripts } = JSON.parse(await readFile('package.json', 'utf8')) as { scripts: object };

for (const name of (await readdir(folder)).filter((file) => file.endsWith('.yml'))) {
  test(`${name} asks for no more than it needs, and runs scripts that there are`, async (t) => {
    const { permissions, jobs } = await workflow(name);
    t.is(permissions?.['contents'], 'read');
    for (const [job, { steps, needs = [] }] of Object.entries(jobs)) {
      for (const needed of [needs].flat()) t.true(needed in jobs, `${job} needs ${needed}`);
      for (const { uses, run } of steps) {
        t.is(Number(uses !== undefined) + Number(run !== undefined), 1, job);
        if (uses !== undefined) t.regex(uses, /^actions\/[\w-]+@v\d+$/, uses);
        for (const [, script = ''] of (run ?? '').matchAll(/\bnpm run ([\w:]+)/g))
          t.true(script in scripts, script);
        for (const [, file = ''] of (run ?? '').matchAll(/\bnode (scripts\/\S+)/g))
          await t.notThrowsAsync(readFile(file), file);
      }
    }
  });
}

test('the package that is published has an addon for every platform that compiles one, and its provenance', async (t) => {
  const { jobs } = await workflow('publish.yml');
  const platforms = jobs['prebuild']!.strategy!.matrix['include']!.map(
    (entry) => (entry as { platform: string }).platform,
  );
  t.true(platforms.length >= 4);
  const { needs, permissions, steps } = jobs['publish']!;
  t.is(needs, 'prebuild');
  t.is(permissions?.['id-token'], 'write');
  const checked = /for platform in (.*);/.exec(commandsOf(jobs['publish']!).join('\n'))?.[1]?.split(' ');
  t.deepEqual(checked, platforms);
  const published = steps.filter(({ run }) => run?.startsWith('npm publish'));
  t.is(published.length, 2);
  for (const { run, if: condition } of published) {
    t.true(run!.includes('--provenance'));
    t.regex(condition!, /refs\/tags\/(models-)?v/);
  }
});
