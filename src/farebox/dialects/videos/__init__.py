"""Video jobs: one surface in OpenAI's form, and the two forms that providers have. Nothing here does input or output.

Sources: the public references of OpenAI's Videos API and of Google's `predictLongRunning`, and the types of the
official `openai` and `google-genai` packages.
"""

from collections.abc import Mapping
from typing import Final

from farebox.dialects.videos import openai, veo
from farebox.dialects.videos.port import VideoUpstream

VIDEO_UPSTREAMS: Final[Mapping[str, VideoUpstream]] = {"openai": openai.UPSTREAM, "veo": veo.UPSTREAM}
"""By the name that a provider of the catalog carries as `video_dialect`."""

__all__ = ["VIDEO_UPSTREAMS"]
