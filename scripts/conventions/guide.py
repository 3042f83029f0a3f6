"""The code and the commands of docs/export.md, which are what is run here."""

import ast
import re
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs/export.md").read_text()
FLAGS = {file: flags.strip() for file, flags in re.findall(r"^fastsde sample (\S+\.onnx)(.*)$", TEXT, re.M)}
assert FLAGS, "docs/export.md has no command"
"""What follows a file in the command for it."""

STATEMENTS = [node for block in re.findall(r"```python\n(.*?)```", TEXT, re.S) for node in ast.parse(block).body]
DEFINITIONS = ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef


def execute(statements, namespace):
    exec(compile(ast.Module(statements, []), "docs/export.md", "exec"), namespace)


def written(node):
    """The file that a statement writes by `export`."""
    call = node.value if isinstance(node, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "export":
        return ast.literal_eval(call.args[0])


NAMES = {}
execute([node for node in STATEMENTS if isinstance(node, DEFINITIONS)], NAMES)


def run(file, names, export):
    """Runs the statement that writes a file, and what stands between the one before and it, with these names and this function for `export`."""
    last = next((i for i, node in enumerate(STATEMENTS) if written(node) == file), None)
    assert last is not None, f"docs/export.md writes no {file}"
    first = max((i + 1 for i, node in enumerate(STATEMENTS[:last]) if written(node)), default=0)
    statements = [node for node in STATEMENTS[first : last + 1] if not isinstance(node, DEFINITIONS)]
    execute(statements, {**NAMES, **names, "export": export})


def run_last():
    """Runs what follows the last export: the metadata."""
    last = max(i for i, node in enumerate(STATEMENTS) if written(node))
    execute([node for node in STATEMENTS[last + 1 :] if not isinstance(node, DEFINITIONS)], dict(NAMES))
