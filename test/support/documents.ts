import { readdirSync, readFileSync } from 'node:fs';

/** What invisible comments before a block say of it, and before the title of a page of all its blocks. */
interface Marks {
  'not run'?: string;
  given?: string;
}

/** A fenced block of a page. */
export interface Block {
  readonly page: string;
  /** Of its first line in the page, from 1. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** Why it is not run: `<!-- not run: needs Redis -->`. */
  readonly omitted: string | undefined;
  /** What a program takes for granted: `<!-- given: const x = 1; -->`. */
  readonly given: string;
}

/** The pages that are held to what they say. */
export const pages: readonly string[] = [
  ...[
    'README.md',
    'CONTRIBUTING.md',
    'models/README.md',
    'packages/models/README.md',
    'examples/playground/README.md',
  ],
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** A page; of a source, what its comments say. */
export function readPage(page: string): string {
  const text = readFileSync(page, 'utf8');
  return page.endsWith('.ts') ? text.replace(/^ \* ?(.*)$|^.*$/gm, '$1') : text;
}

/** The fenced blocks of a page, in its order. */
export function blocksOf(page: string): readonly Block[] {
  const text = readPage(page);
  const title = text.search(/^# /m);
  const everywhere: Marks = {};
  let next: Marks = {};
  const blocks: Block[] = [];
  const pattern = /<!-- (not run|given):\s([^]*?)\s*-->|^```(\w+)[^\n]*\n([^]*?)^```$/gm;
  for (const { 1: mark, 2: said = '', 3: language, 4: code = '', index } of text.matchAll(pattern)) {
    if (language === undefined) (index < title ? everywhere : next)[mark as keyof Marks] = said;
    else {
      const line = text.slice(0, index).split('\n').length + 1;
      const { 'not run': omitted, given = '' } = { ...everywhere, ...next };
      blocks.push({ page, line, language, text: code, omitted, given });
      next = {};
    }
  }
  return blocks;
}

/**
 * The files that the blocks of a page find in their folder: `<!-- file: mixture.json -->` before a block that is saved as that, and
 * `<!-- file: model.onnx from models/mnist-vp.onnx -->` for one of the repository.
 */
export function filesOf(page: string): ReadonlyMap<string, string | Uint8Array> {
  const pattern = /<!-- file: (\S+)(?: from (\S+) -->| -->\s+```\w+\n([^]*?)^```$)/gm;
  return new Map(
    Array.from(readPage(page).matchAll(pattern), ([, name, source, text]) => [
      name!,
      source ? readFileSync(source) : text!,
    ]),
  );
}

/** A page without its code and comments, line by line as it was. */
export function proseOf(page: string): string {
  const blank = (text: string) => text.replace(/[^\n]/g, ' ');
  return readPage(page)
    .replace(/^```[^]*?^```$|<!--[^]*?-->/gm, blank)
    .replace(/`[^`\n]*`/g, blank);
}
