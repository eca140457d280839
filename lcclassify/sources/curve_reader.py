"""CurveReader: objects with their light curves, from files in which these have any form."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lcclassify.batch import Batch, LightCurves
from lcclassify.errors import InputError
from lcclassify.sources.alerts import with_alert
from lcclassify.sources.bands import Spellings
from lcclassify.sources.curve_forms import CurveForm, LightCurveOptions, settle
from lcclassify.sources.light_curves import (
    check_nested,
    nested_columns,
    with_light_curves,
    without_feature_problems,
)
from lcclassify.sources.measure import measure
from lcclassify.sources.names import Names
from lcclassify.sources.observations import ROWS, follows, group_rows, in_order, with_numbers
from lcclassify.sources.observed import Observations
from lcclassify.sources.part import Part, distinct, read_part

Complete = Callable[[Batch, Part], Batch]
Context = Callable[[Part], Sequence[str]]


class CurveReader:
    """Light curves of the parts of a file set.

    Where each observation has a row, those of an object may lie in any of the files. If they follow
    each other, which the ids are read for first, few are in memory at a time; if not, all are.
    InputError if there are no light curves as they are expected, or of an unknown zero point.
    """

    def __init__(
        self, parts: Sequence[Part], id_name: str, names: Names, options: LightCurveOptions
    ) -> None:
        self._parts, self._id_name = parts, id_name
        self._forms: dict[int, CurveForm] = {}  # by the columns, which files may share
        for part in distinct(parts):
            form = settle(part.path, names.form_of(part), options)
            self._forms[id(part.columns)] = form
            if "rows" in (form.kind, self.form.kind):
                if form != self.form:
                    raise InputError(
                        f"{part.path}: its light curves are not in the columns that those of "
                        f"{parts[0].path} are in; classify them apart"
                    )
            elif not form.is_declared:
                check_nested(part.path, form, part.columns)
        self._spellings = Spellings(self.form.bands or None)

    @property
    def form(self) -> CurveForm:
        """How light curves lie in the first part."""
        return self._forms[id(self._parts[0].columns)]

    @property
    def none(self) -> LightCurves:
        """The light curves of no objects."""
        nothing = measure(self.form, np.zeros(1, np.int64), Observations.none(), Spellings())
        return nothing.light_curves

    def batches(
        self, columns: Sequence[str], size: int, context: Context, complete: Complete
    ) -> Iterator[Batch]:
        """Objects in the order of their first rows, at most ``size`` at a time.

        ``context`` says which columns of a part are read into it besides; ``complete`` is given
        each batch of a part's rows before anything else is done with it.
        """
        if self.form.kind == "rows":
            return map(without_feature_problems, self._grouped(columns, size, context, complete))
        return (
            batch
            for part in self._parts
            for batch in self._nested(part, columns, size, context(part), complete)
        )

    def _nested(
        self,
        part: Part,
        columns: Sequence[str],
        size: int,
        context: Sequence[str],
        complete: Complete,
    ) -> Iterator[Batch]:
        form = self._forms[id(part.columns)]
        is_alert = form.kind == "alerts"
        exact = [*nested_columns(form), *context]
        for batch in read_part(part, self._id_name, columns, size, list(dict.fromkeys(exact))):
            known = with_alert(batch) if is_alert else batch
            whole = without_feature_problems(complete(known, part))
            yield with_light_curves(whole, form, self._spellings)

    def _grouped(
        self, columns: Sequence[str], size: int, context: Context, complete: Complete
    ) -> Iterator[Batch]:
        form = self.form
        rows: Iterator[Batch] = (
            with_numbers(complete(batch, part), form, self._spellings)
            for part in self._parts
            for batch in read_part(
                part, self._id_name, columns, ROWS, [*form.observed, *context(part)]
            )
        )
        if not follows(
            complete(batch, part).object_id
            for part in self._parts
            for batch in read_part(part, self._id_name, (), ROWS)
        ):
            rows = iter([in_order(rows)])
        return group_rows(rows, form, columns, size, self._spellings)
