import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { validate } from 'dockerfile-utils';
import { parseAllDocuments } from 'yaml';
import { parseRun } from '../../src/cli/queue/run.js';
import { workerCommand } from '../../src/cli/commands/worker.js';

const folder = join('examples', 'cluster');

interface Container {
  readonly image: string;
  readonly args: string[];
  readonly env?: { name: string; value: string }[];
  readonly workingDir?: string;
  readonly volumeMounts: { name: string; mountPath: string }[];
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly completions?: number;
    readonly selector?: { matchLabels?: object };
    readonly template?: {
      readonly metadata?: { readonly labels: object };
      readonly spec: { readonly containers: Container[]; readonly volumes?: object[] };
    };
  };
}

async function manifestsOf(name: string): Promise<Manifest[]> {
  const documents = parseAllDocuments(await readFile(join(folder, name), 'utf8'));
  return documents.map((document) => {
    if (document.errors.length > 0) throw document.errors[0]!;
    return document.toJS() as Manifest;
  });
}

const byKind = (manifests: Manifest[], kind: string): Manifest => {
  const found = manifests.find((manifest) => manifest.kind === kind);
  if (!found) throw new Error(`no ${kind}`);
  return found;
};

test('the Indexed Job of Kubernetes draws all parts, into a folder that all pods see', async (t) => {
  const manifests = await manifestsOf('kubernetes.yaml');
  const { spec } = byKind(manifests, 'Job');
  const [container] = spec.template!.spec.containers;
  const shards = container!.env!.find(({ name }) => name === 'FASTSDE_SHARDS');
  t.is(shards!.value, String(spec.completions));
  process.env['JOB_COMPLETION_INDEX'] = '7';
  process.env['FASTSDE_SHARDS'] = shards!.value;
  const { flags } = parseRun(container!.args);
  t.like(flags, { count: 50_000, shard: { index: 7, of: 8 }, output: '/results/digits/' });
  t.is(container!.volumeMounts[0]!.mountPath, '/results');
  const claim = { name: 'results', persistentVolumeClaim: { claimName: 'fastsde-results' } };
  t.deepEqual(spec.template!.spec.volumes, [claim]);
  t.is(byKind(manifests, 'PersistentVolumeClaim').metadata.name, 'fastsde-results');
});

test('workers of Kubernetes are started as the command line has them, beside a server that keeps its jobs', async (t) => {
  const manifests = await manifestsOf('workers.yaml');
  const { spec } = byKind(manifests, 'Deployment');
  const [worker] = spec.template!.spec.containers;
  t.deepEqual(spec.selector!.matchLabels, spec.template!.metadata!.labels);
  const [name, ...args] = worker!.args;
  t.is(name, 'worker');
  const command = workerCommand().exitOverride().action(() => undefined); // prettier-ignore
  t.like(command.parse(args, { from: 'user' }).opts(), { redis: 'redis://fastsde-redis:6379', threads: 4 });
  t.is(worker!.workingDir, worker!.volumeMounts[0]!.mountPath);
  t.is(byKind(manifests, 'Service').metadata.name, 'fastsde-redis');
  t.deepEqual(byKind(manifests, 'StatefulSet').spec.template!.spec.containers[0]!.args, [
    '--appendonly',
    'yes',
  ]);
});

test('the script of Slurm runs the command with what Slurm tells it', async (t) => {
  const place = await mkdtemp(join(tmpdir(), 'fastsde-slurm-'));
  t.teardown(() => rm(place, { recursive: true }));
  await mkdir(join(place, 'bin'));
  // What srun would do on every node: run its command, after its own options.
  const programs = { srun: 'while [[ "$1" == --* ]]; do shift; done; exec "$@"', npx: 'printf "%s\\n" "$@"' };
  for (const [name, text] of Object.entries(programs)) {
    await writeFile(join(place, 'bin', name), `#!/bin/bash\n${text}\n`);
    await chmod(join(place, 'bin', name), 0o755);
  }
  const env = { PATH: `${join(place, 'bin')}${delimiter}${process.env['PATH']!}`, SLURM_CPUS_PER_TASK: '3' };
  const { stdout } = await promisify(execFile)('bash', [join(folder, 'slurm.sh')], { env });
  const [program, ...args] = stdout.trim().split('\n');
  t.is(program, 'fastsde');
  Object.assign(process.env, {
    SLURM_ARRAY_TASK_ID: '2',
    SLURM_ARRAY_TASK_MIN: '0',
    SLURM_ARRAY_TASK_COUNT: '8',
  });
  const { flags } = parseRun(args);
  t.like(flags, { count: 50_000, threads: 3, shard: { index: 2, of: 8 }, output: 'digits/' });
});

test('the Dockerfile has no fault that a linter finds, and starts the command line', async (t) => {
  const text = await readFile(join(folder, 'Dockerfile'), 'utf8');
  t.deepEqual(validate(text), []);
  const { bin } = JSON.parse(await readFile('package.json', 'utf8')) as { bin: { fastsde: string } };
  t.true(text.includes(`ENTRYPOINT ["node", "/app/node_modules/fastsde/${bin.fastsde}"]`));
});
