"""What the sandbox does besides text: images, audio, video jobs, embeddings. Each is a few routes."""

from farebox_sandbox.core import Core
from farebox_sandbox.routing import Routes
from farebox_sandbox.workloads.embeddings import Embeddings
from farebox_sandbox.workloads.images import Images
from farebox_sandbox.workloads.moderations import Moderations
from farebox_sandbox.workloads.speech import Speech
from farebox_sandbox.workloads.transcriptions import Transcriptions
from farebox_sandbox.workloads.veo import Veo
from farebox_sandbox.workloads.videos import Videos


def routes(sandbox: Core) -> Routes:
    """The routes of all workloads. A path may have `{name}` segments; they arrive in `exchange.parameters`."""
    images = Images(sandbox)
    transcriptions = Transcriptions(sandbox)
    return {
        ("POST", "/v1/embeddings"): Embeddings(sandbox).create,
        ("POST", "/v1/moderations"): Moderations(sandbox).create,
        ("POST", "/v1/images/generations"): images.generate,
        ("POST", "/v1/images/edits"): images.edit,
        ("GET", "/sandbox/images/{name}"): images.file,
        ("POST", "/v1/audio/speech"): Speech(sandbox).create,
        ("POST", "/v1/audio/transcriptions"): transcriptions.transcribe,
        ("POST", "/v1/audio/translations"): transcriptions.translate,
        **Videos(sandbox).routes,
        **Veo(sandbox).routes,
    }
