import { relative } from 'node:path';
import { Application, Comment, Converter, DeclarationReflection, PageEvent, ReflectionKind } from 'typedoc';
import { entries, subjects, titleOf } from './api-pages.js';
import { slug } from './slug.js';

/** A plugin of TypeDoc: a page for each of the other entry points, and one for each subject of the main one. */
export function load(app) {
  app.on(Application.EVENT_BOOTSTRAP_END, () => {
    app.options.setValue('pageTitleTemplates', { index: 'API', module: ({ name }) => titleOf(name) });
  });
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    const main = project.getChildByName(['fastsde']);
    const pages = new Map(Object.keys(subjects).map((name) => [name, addPage(name, project)]));
    for (const reflection of [...main.children]) {
      main.removeChild(reflection);
      reflection.parent = pages.get(subjectOf(reflection));
      reflection.parent.addChild(reflection);
    }
    project.removeReflection(main);
  });
  // A link in a comment of one page to a name of another.
  app.converter.addUnknownSymbolResolver(({ symbolReference }, { project }, part) => {
    const name = part && symbolReference?.path?.[0].path;
    const target = project.children.flatMap(({ children }) => children).find((child) => child.name === name);
    return target && { target, caption: name };
  });
  app.renderer.on(PageEvent.END, (page) => {
    page.contents = page.url === 'index.md' ? overview(page.project) : withAnchors(page.contents);
  });
}

/** A page whose links to itself lead to its headings: of names that differ in case alone, TypeDoc counts others than are there. */
function withAnchors(contents) {
  const counts = new Map();
  const anchors = new Map();
  for (const [, heading] of contents.matchAll(/^#+ (\w+)/gm)) {
    const anchor = slug(heading);
    const count = counts.get(anchor) ?? 0;
    counts.set(anchor, count + 1);
    anchors.set(heading, count === 0 ? anchor : `${anchor}-${count}`);
  }
  const there = new Set(anchors.values());
  return contents.replace(/\[`(\w+)`\]\(#(\w+-\d+)\)/g, (link, name, anchor) =>
    there.has(anchor) ? link : `[\`${name}\`](#${anchors.get(name)})`,
  );
}

function addPage(name, project) {
  const module = new DeclarationReflection(name, ReflectionKind.Module, project);
  module.comment = new Comment([{ kind: 'text', text: 'Exported by `fastsde`.' }]);
  project.registerReflection(module);
  project.addChild(module);
  return module;
}

function subjectOf(reflection) {
  const [{ fullFileName }] = reflection.sources ?? reflection.signatures[0].sources;
  const [folder] = relative('src', fullFileName).split(/[/.]/);
  return Object.keys(subjects).find((name) => subjects[name].slice(1).includes(folder)) ?? 'errors';
}

/** The first page: all functions and classes, by page. */
function overview({ children }) {
  const row = (page) => {
    const { children: names } = children.find(({ name }) => name === page);
    const verbs = names.filter((child) => child.kindOf(ReflectionKind.Function | ReflectionKind.Class));
    const links = verbs.map(({ name }) => `[\`${name}\`](${page}.md#${name.toLowerCase()})`);
    return `| [${titleOf(page)}](${page}.md) | ${links.join(', ')} |`;
  };
  const table = (title, pages) =>
    `## ${title}\n\n| | functions and classes |\n| --- | --- |\n${pages.map(row).join('\n')}\n`;
  return `# API\n\n${table('`fastsde`', Object.keys(subjects))}\n${table('Other entry points', entries)}`;
}
