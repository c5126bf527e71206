"""What `import hpcmbal` offers."""

from __future__ import annotations

import inspect

import pytest

import hpcmbal
from hpcmbal.settings import CommandSettings


@pytest.mark.parametrize("name", hpcmbal.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    found = getattr(hpcmbal, name)
    assert inspect.getdoc(found)
    assert name in dir(hpcmbal)


def test_public_names_are_listed_once() -> None:
    assert len(hpcmbal.__all__) == len(set(hpcmbal.__all__))
    assert set(hpcmbal.__all__) == hpcmbal._HOMES.keys()


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'hpcmbal' has no attribute 'compres'"):
        hpcmbal.compres  # noqa: B018 (asking is the test)


def test_every_settings_class_belongs_to_a_function_and_documents_its_fields() -> None:
    classes = [found for name in hpcmbal.__all__ if name.endswith("Settings") and (found := getattr(hpcmbal, name))]
    assert len(classes) > 5
    for kind in classes:
        assert issubclass(kind, CommandSettings)
        sections = [field.annotation for field in kind.model_fields.values()]
        for model in (kind, *(part for part in sections if hasattr(part, "model_fields"))):
            for name, field in model.model_fields.items():
                described = field.description or (hasattr(field.annotation, "model_fields") and "a section.")
                assert described, f"{model.__name__}.{name}"
