"""From the parts of an observation to features: images through convolutions, everything else flat."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tensordict import TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.features import flatten_leaf
from engram.agents.networks.image_encoders import ImageEncoder
from engram.agents.networks.leaves import Leaf
from engram.agents.networks.normalizer import RunningNormalizer


class ObservationFeatures(nn.Module):
    """Read every part of an observation: the one way in which agents do.

    Discrete parts become one-hot vectors, vectors pass their normaliser, images their encoder.

    Args:
        leaves: parts of the observations that are read.
        make_image_encoder: builds an image's encoder from its shape, `layout` and `scale`.
        make_normalizer: builds from its length what a vector passes: `RunningNormalizer`, say; by default nothing.

    Attributes:
        flat_size: length of all vectors and categories together.
        image_size: features of all images together.
    """

    def __init__(
        self,
        leaves: Sequence[Leaf],
        make_image_encoder: Callable[..., ImageEncoder],
        make_normalizer: Callable[[int], nn.Module] = nn.Identity,
    ) -> None:
        super().__init__()
        self.images = [leaf for leaf in leaves if leaf.kind == "image"]
        self.flat = [leaf for leaf in leaves if leaf.kind != "image"]
        encoders = [
            make_image_encoder(leaf.shape, layout=leaf.layout, scale=leaf.pixel_scale) for leaf in self.images
        ]
        self.image_encoders = nn.ModuleList(encoders)
        self.normalizers = nn.ModuleList(
            make_normalizer(leaf.feature_size) if leaf.kind == "vector" else nn.Identity()
            for leaf in self.flat
        )
        self.flat_size = sum(leaf.feature_size for leaf in self.flat)
        self.image_size = sum(encoder.output_size for encoder in encoders)

    def forward(self, rows: TensorDictBase) -> tuple[list[Tensor], list[Tensor]]:
        """Read the observations of `rows` `[*batch]`.

        Returns:
            The flat parts `[*batch, feature_size]` and the images' features `[*batch, output_size]`, each in the
            order of the space.
        """
        flat = [
            normalizer(flatten_leaf(leaf, rows["obs"], rows.batch_dims))
            for leaf, normalizer in zip(self.flat, self.normalizers, strict=True)
        ]
        images = zip(self.images, self.image_encoders, strict=True)
        return flat, [encoder(leaf.read(rows["obs"])) for leaf, encoder in images]

    def update_normalizers(self, rows: TensorDictBase) -> None:
        """Take the vectors of `rows` into the running statistics, if there are any."""
        for leaf, normalizer in zip(self.flat, self.normalizers, strict=True):
            if isinstance(normalizer, RunningNormalizer):
                normalizer.update(flatten_leaf(leaf, rows["obs"], rows.batch_dims))
