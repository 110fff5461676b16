"""What the package says about itself: stubs of the compiled module, annotations and docstrings of everything public."""

import ast
import enum
import importlib
import inspect
import pathlib
import pkgutil
import re
import typing
import unittest

import pyflame_rt
from pyflame_rt import _core

FOLDER = pathlib.Path(pyflame_rt.__file__).parent


def stub_names(body) -> dict[str, ast.AST]:
    found = {}
    for item in body:
        if isinstance(item, (ast.FunctionDef, ast.ClassDef)):
            found[item.name] = item
        elif isinstance(item, ast.AnnAssign):
            found[item.target.id] = item
    return found


def public(owner) -> set[str]:
    return {name for name in vars(owner) if not name.startswith("_")}


def parameters(function) -> list[str]:
    """Names of a bound C++ function's parameters, from the signature that its docstring begins with."""
    signature = function.__doc__.splitlines()[0]
    return re.findall(r"[(,] ?(\w+):", re.sub(r"\[[^\[\]]*(\[[^\[\]]*\][^\[\]]*)*\]", "", signature))


class Stubs(unittest.TestCase):
    def setUp(self):
        self.stub = stub_names(ast.parse((FOLDER / "_core.pyi").read_text()).body)

    def test_typed(self):
        self.assertTrue((FOLDER / "py.typed").is_file())

    def test_every_name_has_a_stub_and_every_stub_a_name(self):
        self.assertEqual(public(_core), set(self.stub))
        for name, node in self.stub.items():
            if isinstance(node, ast.ClassDef):
                kind = getattr(_core, name)
                self.assertEqual(public(kind), {n for n in stub_names(node.body) if not n.startswith("_")}, name)

    def test_parameters_agree(self):
        for name, node in self.stub.items():
            functions = [(name, node, _core)] if isinstance(node, ast.FunctionDef) else [
                (method, inner, getattr(_core, name)) for method, inner in stub_names(node.body).items() if isinstance(inner, ast.FunctionDef) and not inner.decorator_list
            ]
            for function, inner, owner in functions:
                if function == "__repr__" or (function == "__init__" and name == "NodeArg"):
                    continue
                with self.subTest(f"{name}.{function}"):
                    self.assertEqual(parameters(getattr(owner, function)), [argument.arg for argument in inner.args.args])

    def test_stubs_are_complete(self):
        for node in ast.walk(ast.parse((FOLDER / "_core.pyi").read_text())):
            if isinstance(node, ast.FunctionDef):
                self.assertIsNotNone(node.returns, node.name)
                for argument in node.args.args:
                    self.assertTrue(argument.annotation is not None or argument.arg == "self", node.name)


class Documented(unittest.TestCase):
    def things(self):
        for name in pyflame_rt.__all__:
            yield name, getattr(pyflame_rt, name)
        for module in pkgutil.iter_modules([str(FOLDER)]):
            if module.name != "_core":
                loaded = importlib.import_module(f"pyflame_rt.{module.name}")
                for name, thing in vars(loaded).items():
                    if not name.startswith("_") and getattr(thing, "__module__", "") == loaded.__name__ and callable(thing):
                        yield f"{module.name}.{name}", thing

    def functions(self):
        for name, thing in self.things():
            if inspect.isclass(thing) and not issubclass(thing, (enum.Enum, Exception)):
                for method, value in vars(thing).items():
                    function = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value.fget if isinstance(value, property) else value
                    if inspect.isfunction(function) and (not method.startswith("_") or method == "__init__"):
                        yield f"{name}.{method}", function
            elif inspect.isfunction(thing):
                yield name, thing

    def test_all_is_what_there_is(self):
        self.assertEqual(sorted(pyflame_rt.__all__), pyflame_rt.__all__)
        for name in pyflame_rt.__all__:
            self.assertTrue(hasattr(pyflame_rt, name), name)

    def test_docstrings(self):
        for name, thing in self.things():
            if inspect.isclass(thing) or inspect.isfunction(thing) or inspect.ismodule(thing):
                self.assertTrue((thing.__doc__ or "").strip(), name)
        for name, function in self.functions():
            if not name.endswith(".__init__") and "<lambda>" not in function.__qualname__:
                self.assertTrue((function.__doc__ or "").strip(), name)

    def test_annotations(self):
        for name, function in self.functions():
            with self.subTest(name):
                hints = typing.get_type_hints(function, vars(importlib.import_module(function.__module__)) | {"InferenceSession": pyflame_rt.InferenceSession, "RunOptions": pyflame_rt.RunOptions})
                for parameter in inspect.signature(function).parameters.values():
                    if parameter.name not in ("self", "cls"):
                        self.assertIn(parameter.name, hints)
                if not name.endswith("__init__") and not function.__qualname__.startswith(("Latency", "Throughput", "Memory", "Profile", "Operation")):
                    self.assertIn("return", hints)


if __name__ == "__main__":
    unittest.main(verbosity=1)
