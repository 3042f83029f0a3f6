import { join } from 'node:path';
import test from 'ava';
import ts from 'typescript';

const root = join(import.meta.dirname, '..', '..', '..');
const entries = ['index', 'training', 'onnx', 'data', 'evaluation', 'queue'];

/** The interfaces that an entry point exports, each with its members. */
function exportedInterfaces(): { readonly name: string; readonly members: readonly ts.TypeElement[] }[] {
  const files = entries.map((name) => join(root, 'src', `${name}.ts`));
  const options = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.NodeNext, noEmit: true };
  const program = ts.createProgram(files, options);
  const checker = program.getTypeChecker();
  return files.flatMap((file) =>
    checker
      .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)!)!)
      .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
      .flatMap(({ name, declarations = [] }) =>
        declarations
          .filter(ts.isInterfaceDeclaration)
          .map(({ members }) => ({ name, members: [...members] })),
      ),
  );
}

/** What functions give back and tell on the way, beside what is called so. */
const results = new Set([
  ...[
    'Preview',
    'Trajectory',
    'MeanBits',
    'TimeBucket',
    'Validation',
    'Inspection',
    'ModelSummary',
    'ProbeReport',
  ],
  ...[
    'Evaluation',
    'Estimate',
    'FrechetDistance',
    'KernelDistance',
    'Manifold',
    'Fidelity',
    'Memorisation',
    'Neighbours',
  ],
  ...[
    'Extracted',
    'Samples',
    'Piece',
    'Features',
    'FeatureMoments',
    'FeatureNetwork',
    'Comparison',
    'ComparisonRow',
  ],
]);

test('whoever hovers over an option or a result is told what it is', (t) => {
  const options = exportedInterfaces().filter(
    ({ name }) => /(Options|Result|Progress)$/.test(name) || results.has(name),
  );
  t.true(options.length > 80);
  const found = new Set(options.map(({ name }) => name));
  t.deepEqual(
    [...results].filter((name) => !found.has(name)),
    [],
  );
  const bare = options.flatMap(({ name, members }) =>
    members
      .filter((member) => ts.getJSDocCommentsAndTags(member).length === 0)
      .map((member) => `${name}.${member.name?.getText() ?? ''}`),
  );
  t.deepEqual(bare, []);
});
