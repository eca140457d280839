import pytest

from lcclassify.batch import BANDS
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.file import FileSource, open_files

BAND = (*BANDS, None)


@pytest.fixture(scope="session")
def read():
    """Objects with light curves as plain values, to compare what different sources give."""
    return _read


def _read(paths, columns=(), size=5000, id_name=None, **options):
    """Ids, observations, features, problems and repairs of each object; NaN as text."""
    files = open_files([str(path) for path in paths], id_name)
    source = FileSource(files, columns, size, light_curves=LightCurveOptions(**options))
    objects = []
    for batch in source:
        assert len(batch) <= size
        curves = batch.light_curves
        measures = (curves.mjd, curves.flux, curves.flux_err)
        mjd, flux, error = ([str(float(x)) for x in column] for column in measures)
        seen = list(zip(mjd, (BAND[code] for code in curves.band), flux, error, strict=True))
        for row, object_id in enumerate(batch.object_id.to_pylist()):
            first, last = curves.offsets[row : row + 2]
            problem = batch.problems.get(row)
            note = problem.reason if problem else batch.repairs.get(row)
            values = batch.features.slice(row, 1).to_pylist()[0] if columns else {}
            objects.append((object_id, seen[first:last], values, note))
    return objects
