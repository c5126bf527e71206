"""Anchors by name."""

from __future__ import annotations

import pytest

from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.codecs.selection import OWN_ANCHORS, build_anchor
from hpcmbal.settings.choices import ANCHORS


def test_settings_know_every_anchor() -> None:
    assert tuple(OWN_ANCHORS) == ANCHORS


def test_unknown_anchors_are_refused_with_the_choice() -> None:
    with pytest.raises(SettingsError, match=r"No anchor 'gif'. Choose from: jpeg, webp, avif, .*x265"):
        build_anchor("gif")
