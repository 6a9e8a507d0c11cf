"""The task networks and the codecs of their features together: all that `taxon train` trains and `taxon export` writes."""

from __future__ import annotations

from typing import cast

from torch import nn

from shared.model.tasks import TASKS_OF_GROUP
from training.networks.codec import GroupCodec
from training.networks.codec_spec import SPECS
from training.networks.task_networks import TaskNetworks


class CodedNetworks(nn.Module):
    """Task networks and one codec per group."""

    def __init__(self, tasks: TaskNetworks) -> None:
        super().__init__()
        self.tasks = tasks
        self.codecs = nn.ModuleDict({group: GroupCodec(SPECS[group]) for group in TASKS_OF_GROUP})

    def codec(self, group: str) -> GroupCodec:
        """The codec of `group`."""
        return cast(GroupCodec, self.codecs[group])
