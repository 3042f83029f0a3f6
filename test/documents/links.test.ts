import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import { pages, proseOf, readPage } from '../support/documents.js';

const site = (file: string): Promise<unknown> =>
  import(new URL(`../../../docs/.vitepress/${file}`, import.meta.url).href);
const { slug } = (await site('slug.js')) as { slug: (heading: string) => string };
const { sidebar } = (await site('sidebar.js')) as {
  sidebar: readonly { items: readonly { link: string }[] }[];
};
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  homepage: string;
  repository: { url: string };
};
const repository = manifest.repository.url.replace(/^git\+|\.git$/g, '');

/** Targets of a page's links, those of its front matter included. */
const linksOf = (page: string): string[] =>
  Array.from(
    proseOf(page).matchAll(/\]\(([^)\s]+)\)|^ +link: (\S+)$/gm),
    ([, target, fromMatter]) => target ?? fromMatter!,
  );

/** Anchors of the headings of a page, the second of one name with -1 and so on. */
function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  const text = readPage(page).replace(/^```[^]*?^```$/gm, '');
  for (const [, heading] of text.matchAll(/^#{1,6} (.+)$/gm)) {
    const anchor = slug(heading!.replace(/[`*]|\[([^\]]*)\]\([^)]*\)/g, '$1'));
    let unique = anchor;
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

/** The file of the repository that a link of a page leads to; undefined where it leads elsewhere. */
function fileOf(page: string, target: string): string | undefined {
  if (target.startsWith(manifest.homepage)) {
    const path = target.slice(manifest.homepage.length);
    return path.startsWith('api/') ? undefined : `docs/${path || 'index'}.md`;
  }
  if (target.startsWith(`${repository}/blob/main/`)) return target.slice(`${repository}/blob/main/`.length);
  if (/^[a-z]+:|^\/api\//.test(target)) return undefined;
  if (target.startsWith('/')) return `docs${target}.md`;
  return target === '' ? page : join(dirname(page), target);
}

test('every link leads to a file and a heading that are there', (t) => {
  const dead = [...pages, 'CHANGELOG.md'].flatMap((page) =>
    linksOf(page).flatMap((target) => {
      const [address, anchor] = target.split('#') as [string, string?];
      const file = fileOf(page, address);
      const alive = file === undefined || existsSync(file);
      const found = file === undefined || anchor === undefined || (alive && anchorsOf(file).has(anchor));
      return alive && found ? [] : [`${page}: ${target}`];
    }),
  );
  t.deepEqual(dead, []);
});

test('README.md links to nothing that a registry page would not have', (t) => {
  for (const target of linksOf('README.md')) t.regex(target, /^https:/);
});

test('every page is in the sidebar, and what is in the sidebar is there', (t) => {
  const links = sidebar.flatMap(({ items }) => items.map(({ link }) => link));
  const written = links.filter((link) => !link.startsWith('/api/')).map((link) => `${link.slice(1)}.md`);
  t.deepEqual(
    written.sort(),
    readdirSync('docs')
      .filter((name) => name.endsWith('.md') && name !== 'index.md')
      .sort(),
  );
});
