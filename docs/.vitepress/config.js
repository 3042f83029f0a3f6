import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { katex } from '@mdit/plugin-katex';
import { defineConfig } from 'vitepress';
import { sidebar } from './sidebar.js';
import { slug } from './slug.js';

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const repository = manifest.repository.url.replace(/^git\+|\.git$/g, '');

/** What lies outside of docs/ is linked to in the repository. */
function linkToRepository(markdown) {
  markdown.core.ruler.push('repository-links', ({ tokens, env }) => {
    for (const link of tokens
      .flatMap(({ children }) => children ?? [])
      .filter(({ type }) => type === 'link_open')) {
      const target = posix.join('docs', posix.dirname(env.relativePath), link.attrGet('href'));
      if (/^\.\.?\//.test(link.attrGet('href')) && !target.startsWith('docs/'))
        link.attrSet('href', `${repository}/blob/main/${target}`);
    }
  });
}

const base = new URL(manifest.homepage).pathname;

const nav = [
  { text: 'Start', link: '/start' },
  { text: 'Mathematics', link: '/mathematics' },
  { text: 'Command line', link: '/cli' },
  { text: 'API', link: '/api/' },
];

/** VitePress looks for dead links to pages, in pages alone. */
function checkLinks({ outDir, pages }) {
  const texts = new Map(
    pages.map((page) => {
      const name = page.replace(/\.md$/, '');
      return [name.replace(/(^|\/)index$/, '$1'), readFileSync(join(outDir, `${name}.html`), 'utf8')];
    }),
  );
  for (const [page, text] of texts)
    for (const [, address, anchor] of text.matchAll(/<a [^>]*href="([^"#]*)#([^"]+)"/g)) {
      const target =
        address === '' ? page : address.startsWith(base) ? address.slice(base.length) : undefined;
      if (target !== undefined && !texts.get(target)?.includes(`id="${decodeURI(anchor)}"`))
        throw new Error(`${page || 'The first page'} leads to ${address}#${anchor}, which is not there.`);
    }
  for (const { link } of [...nav, ...sidebar.flatMap(({ items }) => items)])
    if (!existsSync(join(outDir, link.endsWith('/') ? `${link}index.html` : `${link}.html`)))
      throw new Error(`The navigation leads to ${link}, and there is no such page.`);
}

export default defineConfig({
  title: 'fastsde',
  description: manifest.description,
  base,
  cleanUrls: true,
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  buildEnd: checkLinks,
  // The index of the search, which is loaded when somebody searches, is larger.
  vite: { build: { chunkSizeWarningLimit: 2000 } },
  markdown: {
    anchor: { slugify: slug },
    config(markdown) {
      markdown.use(katex, { transformer: (html) => html.replace(/^<\w+/, '$& v-pre') });
      linkToRepository(markdown);
    },
  },
  themeConfig: {
    nav,
    sidebar,
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repository }],
    footer: { message: 'Apache-2.0' },
  },
});
