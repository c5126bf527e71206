"""What the table would refuse as being about other images, the figures do not draw either."""

from __future__ import annotations

from hpcmbal.evaluation.curves.curve import BPP, PSNR, Curve
from hpcmbal.evaluation.curves.published import published_on
from hpcmbal.evaluation.curves.same_images import left_out_lines, same_images

COLUMNS = {BPP: (0.1, 0.2, 0.4, 0.8), PSNR: (30.0, 33.0, 36.0, 39.0)}


def measured(name: str, digest: str, published_set: str | None = None) -> Curve:
    image_set = {"name": "four", "hash": digest, "published_set": published_set, "images": {"a": digest}}
    return Curve(name, COLUMNS, meta={"kind": "measured", "image_set": image_set}, samples={"a": COLUMNS})


def test_published_points_of_24_images_do_not_belong_to_four_of_them() -> None:
    published = published_on("kodak")
    kept, left = same_images([*published, measured("jpeg", "00ff")])
    assert [curve.name for curve in kept] == ["jpeg"]
    (line,) = left_out_lines(left)
    assert line.startswith(f"{len(published)} curves left out of figures and comparisons (VTM (CompressAI results), HM")
    assert "different images: 'four' (hash 00ff) and 'kodak'" in line


def test_published_points_belong_to_the_whole_set() -> None:
    kept, left = same_images([*published_on("kodak"), measured("jpeg", "00ff", "kodak")])
    assert not left
    assert len(kept) == 1 + len(published_on("kodak"))


def test_files_that_do_not_say_their_images_stay() -> None:
    kept, left = same_images([measured("ours", "00ff"), Curve("theirs", COLUMNS), measured("other", "11ff")])
    assert [curve.name for curve in kept] == ["ours", "theirs"]
    (line,) = left_out_lines(left)
    assert line == (
        "1 curve left out of figures and comparisons (other): different images: 'four' (hash 00ff) and 'four' "
        "(hash 11ff)."
    )
