"""One list says which errors a person may read, and every error that a room defines is on it."""

import importlib
import pkgutil
from collections.abc import Iterator

import m1app
import models
import storage
from m1app.errors import FOR_PEOPLE

_OTHER_ENVIRONMENTS = ("m1app.training.sft", "storage.migrations.env", "storage.migrations.__main__", "m1app.__main__")
# Caught where they are raised, and told in another error's words.
_FOR_THE_PROGRAM = {
    "m1app.question_sets.row_values.RowProblem",
    "models.weights.gguf_check.BadModelFile",
    "models.weights.model_shape.NoShape",
    "models.profiles.chat_template.BadTemplate",  # templates are rendered in a process of their own
    "models.profiles.proposal.NoProposal",
    "models.servers.llama_worker.BadConfiguration",  # of a process of its own, whose owner reads its log
}


def defined_errors() -> Iterator[type[Exception]]:
    for package in (m1app, models, storage):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.startswith(_OTHER_ENVIRONMENTS):
                module = importlib.import_module(found.name)
                yield from (
                    each
                    for each in vars(module).values()
                    if isinstance(each, type) and issubclass(each, Exception) and each.__module__ == found.name
                )


def test_a_person_may_read_every_error_that_the_app_defines() -> None:
    hidden = {
        f"{each.__module__}.{each.__qualname__}"
        for each in defined_errors()
        if not issubclass(each, FOR_PEOPLE) and not each.__name__.startswith("_")
    }
    assert hidden <= _FOR_THE_PROGRAM
