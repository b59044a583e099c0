"""Names of series that ask a model by a profile of their own: "MODEL by PROFILE".

Sweeps and benchmark runs compare models by name. With the profile in the name, one model can be compared with itself
asked in two ways, and two models can be asked alike whatever each one's own profile is.
"""

from typing import NamedTuple

from models.errors import UnknownProfile
from models.profiles import Profiles

_BY = " by "


class ProfiledName(NamedTuple):
    """The name of a series, taken apart."""

    model: str
    """As engines know it, see `served_name`."""
    profile: str
    """Id of the profile; empty for the model's own."""


def profiled_name(model: str, profile: str) -> str:
    """Return the name of a model that is asked by this profile; `read_profiled_name` is the inverse."""
    return f"{model}{_BY}{profile}" if profile else model


def read_profiled_name(name: str, profiles: Profiles) -> ProfiledName:
    """Take a name apart; what follows " by " belongs to the model's name unless it is a profile."""
    model, separator, profile = name.rpartition(_BY)
    if separator:
        try:
            return ProfiledName(model, profiles.get(profile).id)
        except UnknownProfile:
            pass
    return ProfiledName(name, "")
