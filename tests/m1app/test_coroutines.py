"""No coroutine of the app blocks the event loop itself: files, hashes, processes and slow imports go to threads.

The check reads the code, so that it depends on no clock. It sees calls in the coroutine's own body, not what they call.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCKING_METHODS = {
    *("read_text", "read_bytes", "write_text", "write_bytes", "rglob", "glob", "iterdir", "rmtree", "copyfile"),
    *("sha256", "fsync", "check_output", "check_call", "getsize", "walk"),
}
BLOCKING_CALLS = {"open", "time.sleep", "subprocess.run", "subprocess.Popen", "os.listdir", "shutil.disk_usage"}


def _own_nodes(function: ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """The body without nested functions and lambdas, which may run in a thread."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _blocks(node: ast.AST) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = ast.unparse(node.func)
    return name in BLOCKING_CALLS or (isinstance(node.func, ast.Attribute) and node.func.attr in BLOCKING_METHODS)


def blocking_lines(source: str) -> list[int]:
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.AsyncFunctionDef)]
    return sorted({getattr(node, "lineno", 0) for each in functions for node in _own_nodes(each) if _blocks(node)})


def test_no_coroutine_of_the_app_reads_files_hashes_or_imports_on_the_event_loop() -> None:
    # A command of the terminal has the loop to itself.
    files = [path for path in (ROOT / "m1app").rglob("*.py") if "cli" not in path.relative_to(ROOT).parts]
    found = [f"{path.relative_to(ROOT)}:{line}" for path in files for line in blocking_lines(path.read_text("utf-8"))]
    assert found == []


def test_the_check_sees_a_coroutine_but_not_what_it_hands_to_a_thread() -> None:
    source = (
        "async def load(path):\n"
        "    import pandas\n"
        "    text = path.read_text()\n"
        "    return await asyncio.to_thread(lambda: path.read_bytes())\n"
    )
    assert blocking_lines(source) == [2, 3]
