import { join } from 'node:path';
import ts from 'typescript';
import type { Block } from './documents.js';

const entries: Readonly<Record<string, string>> = {
  fastsde: 'index',
  'fastsde/training': 'training',
  'fastsde/onnx': 'onnx',
  'fastsde/data': 'data',
  'fastsde/evaluation': 'evaluation',
  'fastsde/queue': 'queue',
};

/** A block as a module: what it takes for granted, and imports of the public names that it uses without importing them. */
export interface Program {
  readonly block: Block;
  readonly source: string;
  /** Of its types against the library's, as `docs/page.md:12: what`. */
  readonly errors: readonly string[];
}

/** Blocks of programs, compiled against the types of the library. */
export function compilePrograms(blocks: readonly Block[]): readonly Program[] {
  const whole = blocks.map(({ given, text }) => `${given}\n${text}\nexport {};\n`);
  const first = check(blocks, whole);
  const owners = publicNames(first.program);
  const sources = whole.map((source, i) => imports(first.diagnostics[i]!, owners) + source);
  const { diagnostics } = check(blocks, sources, first.program);
  return blocks.map((block, i) => ({
    block,
    source: sources[i]!,
    errors: diagnostics[i]!.map(({ file, start, messageText }) => {
      const { line } = file!.getLineAndCharacterOfPosition(start!);
      const before = sources[i]!.split('\n').length - block.text.split('\n').length - 1;
      return `${block.page}:${block.line + line - before}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    }),
  }));
}

/** A program as JavaScript. */
export const javascriptOf = ({ source }: Program): string =>
  ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
  }).outputText;

function check(
  blocks: readonly Block[],
  sources: readonly string[],
  before?: ts.Program,
): { program: ts.Program; diagnostics: readonly (readonly ts.Diagnostic[])[] } {
  const file = ts.readConfigFile('tsconfig.json', (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent(file.config, ts.sys, '.');
  const files = new Map(
    blocks.map(({ page, line }, i) => [join(process.cwd(), `${page.replaceAll('/', '-')}-${line}.ts`), i]),
  );
  const disk = ts.createCompilerHost({});
  const host: ts.CompilerHost = {
    ...disk,
    fileExists: (name) => files.has(name) || disk.fileExists(name),
    readFile: (name) => (files.has(name) ? sources[files.get(name)!] : disk.readFile(name)),
    getSourceFile: (name, target) =>
      files.has(name)
        ? ts.createSourceFile(name, sources[files.get(name)!]!, target)
        : (before?.getSourceFile(name) ?? disk.getSourceFile(name, target)),
  };
  const program = ts.createProgram({
    rootNames: [...files.keys(), ...Object.values(entries).map((entry) => `src/${entry}.ts`)],
    options: {
      ...options,
      ...{ noEmit: true, incremental: false, declaration: false, isolatedDeclarations: false },
      // Programs for people to read: parameters have the types that their names say.
      ...{ noUnusedLocals: false, noUnusedParameters: false },
      ...{ noImplicitAny: false, noUncheckedIndexedAccess: false, verbatimModuleSyntax: false },
    },
    host,
    ...(before && { oldProgram: before }),
  });
  const diagnostics = [...files.keys()].map((name) => {
    const source = program.getSourceFile(name)!;
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
  });
  return { program, diagnostics };
}

function publicNames(program: ts.Program): Map<string, string> {
  const checker = program.getTypeChecker();
  return new Map(
    Object.entries(entries).flatMap(([specifier, entry]) => {
      const module = checker.getSymbolAtLocation(
        program.getSourceFile(join(process.cwd(), `src/${entry}.ts`))!,
      )!;
      return checker.getExportsOfModule(module).map(({ name }): [string, string] => [name, specifier]);
    }),
  );
}

/** Imports of the names that the compiler could not find. */
function imports(diagnostics: readonly ts.Diagnostic[], owners: ReadonlyMap<string, string>): string {
  const missing = new Set(
    diagnostics.map(({ file, start, length }) => file!.text.slice(start, start! + length!)),
  );
  return [...missing]
    .filter((name) => owners.has(name))
    .map((name) => `import { ${name} } from '${owners.get(name)!}';\n`)
    .join('');
}
