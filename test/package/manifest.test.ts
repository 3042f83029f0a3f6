import { readFile } from 'node:fs/promises';
import test from 'ava';
import { parse } from 'yaml';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly homepage: string;
  readonly repository: { readonly type: string; readonly url: string; readonly directory?: string };
  readonly bugs: { readonly url: string };
  readonly scripts?: Readonly<Record<string, string>>;
}

const read = (file: string): Promise<string> => readFile(file, 'utf8');
const manifestIn = async (file: string): Promise<Manifest> => JSON.parse(await read(file)) as Manifest;
const fastsde = await manifestIn('package.json');

for (const [file, directory] of [
  ['package.json', undefined],
  ['packages/models/package.json', 'packages/models'],
] as const) {
  test(`${file} says where the package comes from, as provenance wants it`, async (t) => {
    const { homepage, repository, bugs, license } = await manifestIn(file);
    t.is(homepage, 'https://fastsde.github.io/fastsde/');
    t.like(repository, { type: 'git', url: 'git+https://github.com/fastsde/fastsde.git' });
    t.is(repository.directory, directory);
    t.is(bugs.url, 'https://github.com/fastsde/fastsde/issues');
    t.is(license, 'Apache-2.0');
  });
}

test('nobody who installs the package is asked about a script of it', (t) => {
  const { scripts = {} } = fastsde;
  // npm runs, or asks about, these in a package that is installed; prepare where it comes from a tarball or from git.
  for (const event of ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare'])
    t.false(event in scripts, event);
});

test('the citation file is of this package and version', async (t) => {
  const citation = parse(await read('CITATION.cff')) as Readonly<Record<string, unknown>>;
  const url = fastsde.repository.url.replace(/^git\+|\.git$/g, '');
  t.like(citation, {
    'cff-version': '1.2.0',
    type: 'software',
    title: fastsde.name,
    version: fastsde.version,
    license: fastsde.license,
    url: fastsde.homepage,
    'repository-code': url,
  });
  for (const field of ['message', 'abstract']) t.is(typeof citation[field], 'string', field);
  const authors = citation['authors'] as readonly object[];
  t.true(authors.length > 0);
});

test('the changelog has a section for this version, the newest', async (t) => {
  const headings = [...(await read('CHANGELOG.md')).matchAll(/^## \[(.*?)\] - (.*)$/gm)];
  const [, version, date = ''] = headings[0]!;
  t.is(version, fastsde.version);
  t.regex(date, /^(unreleased|\d{4}-\d{2}-\d{2})$/);
});
