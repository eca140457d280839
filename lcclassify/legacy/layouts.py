"""The sets of files that ALeRCE published its forests in, and which of them a source holds."""

from collections.abc import Mapping
from dataclasses import dataclass

from lcclassify.legacy.records import RefusedError

MAX_FOREST_BYTES = 2 * 1024**3
MAX_LIST_BYTES = 16 * 1024**2
ONE_FILE = "hierarchical_random_forest_model.pkl"
MAX_ONE_FILE_BYTES = 4 * 1024**3  # the largest one published has 1.7 GB


@dataclass(frozen=True, slots=True)
class Layout:
    """Names of the files of one kind of model, and what they mean."""

    name: str
    survey: str  # whose class list the model follows, see classes.csv
    feature_list: str
    top: str  # the forest of the first level, or the only one
    children: Mapping[str, str]  # node -> file of its forest, in the order of the output columns
    list_per_node: bool = False  # the feature list is a dict: "top" or node in lower case -> list
    zero_above: float | None = 1e32  # values above were 0 to the model; None: it took them all

    @property
    def is_one_file(self) -> bool:
        """Whether all parts of the model are in the same file."""
        return self.feature_list == self.top

    @property
    def size_limits(self) -> dict[str, int]:
        """File name -> largest size accepted, in bytes."""
        if self.is_one_file:
            return {self.top: MAX_ONE_FILE_BYTES}
        forests = (self.top, *self.children.values())
        return {self.feature_list: MAX_LIST_BYTES} | dict.fromkeys(forests, MAX_FOREST_BYTES)


LAYOUTS = (
    Layout(
        name="ztf-1.0",
        survey="ztf",
        feature_list="features_RF_model.pkl",
        top="hierarchical_level_RF_model.pkl",
        children={
            "Periodic": "periodic_level_RF_model.pkl",
            "Stochastic": "stochastic_level_RF_model.pkl",
            "Transient": "transient_level_RF_model.pkl",
        },
    ),
    Layout(
        name="ztf-1.1",
        survey="ztf",
        feature_list="features_RF_model.pkl",
        top="top_level_BRF_model.pkl",
        children={
            "Periodic": "periodic_level_BRF_model.pkl",
            "Stochastic": "stochastic_level_BRF_model.pkl",
            "Transient": "transient_level_BRF_model.pkl",
        },
    ),
    Layout(
        name="elasticc",
        survey="elasticc",
        feature_list="features_HRF_model.pkl",
        top="top_level_HRF_model.pkl",
        children={
            "Stochastic": "stochastic_level_HRF_model.pkl",
            "Periodic": "periodic_level_HRF_model.pkl",
            "Transient": "transient_level_HRF_model.pkl",
        },
        list_per_node=True,
    ),
    Layout(
        name="ztf-baseline",
        survey="ztf",
        feature_list="feature_list.pkl",
        top="baseline_rf.pkl",
        children={},
    ),
    Layout(
        name="ztf-2",
        survey="ztf-forced",
        feature_list=ONE_FILE,
        top=ONE_FILE,
        children=dict.fromkeys(("stochastic", "periodic", "transient"), ONE_FILE),
        zero_above=None,
    ),
)

SIZE_LIMITS = {name: size for layout in LAYOUTS for name, size in layout.size_limits.items()}


def choose_layout(names: frozenset[str]) -> Layout:
    """The one layout whose files are all among ``names``; refuses with what is missing."""
    complete = [layout for layout in LAYOUTS if layout.size_limits.keys() <= names]
    if len(complete) == 1:
        return complete[0]
    if complete:
        kinds = " and ".join(layout.name for layout in complete)
        raise RefusedError(f"holds more than one model ({kinds}); keep the files of one")
    raise RefusedError(what_is_missing(names))


def what_is_missing(names: frozenset[str]) -> str:
    """Which model an incomplete set of files is likely part of, and which files it lacks."""
    found = [len(layout.size_limits.keys() & names) for layout in LAYOUTS]
    likely = (layout for layout, count in zip(LAYOUTS, found, strict=True) if count == max(found))
    lacks = [
        f"{layout.name} lacks {', '.join(sorted(layout.size_limits.keys() - names))}"
        for layout in likely
    ]
    start = "is part of a model" if max(found) else "holds no file of a published model"
    return f"{start}: {'; or '.join(lacks)}"
