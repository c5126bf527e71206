"""Anchors by name."""

from __future__ import annotations

import pytest

from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.codecs.pillow_anchor import PILLOW_FORMATS
from hpcmbal.evaluation.codecs.program_anchor import PROGRAMS
from hpcmbal.evaluation.codecs.selection import build_anchor
from hpcmbal.evaluation.codecs.video_anchor import VIDEO_CODECS
from hpcmbal.settings.choices import ANCHORS


def test_settings_know_every_anchor() -> None:
    assert set(ANCHORS) == {*PILLOW_FORMATS, *VIDEO_CODECS, *PROGRAMS}


def test_unknown_anchors_are_refused_with_the_choice() -> None:
    with pytest.raises(SettingsError, match=r"No anchor 'gif'. Choose from: jpeg, webp, avif, .*x265"):
        build_anchor("gif")
