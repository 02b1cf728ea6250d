"""Where recorded payloads of the real feed lie, when they are at hand."""

from pathlib import Path

import pytest

RECORDED = Path(__file__).parents[2] / "shared" / "upstream" / "real"

needs_recordings = pytest.mark.skipif(not RECORDED.is_dir(), reason="no recorded payloads here")
