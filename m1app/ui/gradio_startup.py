"""Skips three tasks of Gradio that a mounted app does not need (`python -m benchmarks.startup` times the start).

- Each import of Gradio compares the type stubs of every component with its source and rewrites those that differ.
- A `Blocks` creates a server application on entry, on exit and when its queue is set up. Only `launch` uses them;
  `mount_gradio_app` creates its own.
- Every page's application has some eighty routes, whose parameters FastAPI examines one by one. This app closes most.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

from fastapi import APIRouter

_MODULE = "gradio.component_meta"
_FUNCTION = "create_or_modify_pyi"


def leave_stubs_alone() -> None:
    """Prevent the first import of Gradio in this process from rewriting its stub files."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)


class _Finder(PathFinder):
    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if hasattr(module, _FUNCTION):
            setattr(module, _FUNCTION, lambda *_: None)


@contextmanager
def no_spare_servers() -> Iterator[None]:
    """Blocks built in this context get no server application; mount them outside."""
    from gradio.routes import App

    original = App.__dict__["create_app"]
    App.create_app = staticmethod(lambda *_, **__: None)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        App.create_app = original  # type: ignore[method-assign]


@contextmanager
def only_routes(is_open: Callable[[str, str], bool]) -> Iterator[None]:
    """Applications created in this context get only the routes for which `is_open` takes a method and the path."""
    original = APIRouter.add_api_route

    def add_if_open(router: APIRouter, path: str, *arguments: Any, **options: Any) -> None:
        if any(is_open(method, router.prefix + path) for method in options.get("methods") or ("GET",)):
            original(router, path, *arguments, **options)

    APIRouter.add_api_route = add_if_open  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        APIRouter.add_api_route = original  # type: ignore[method-assign]
