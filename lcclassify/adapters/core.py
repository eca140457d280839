"""What all adapters do: a table in memory and a loaded model give a table of answers."""

import pyarrow as pa

from lcclassify.features import match_features
from lcclassify.predictors import Predictor
from lcclassify.schemas import OutputSchema
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.file import FileSet, FileSource


def classify_files(
    files: FileSet, predictor: Predictor, schema: OutputSchema, options: LightCurveOptions
) -> pa.Table:
    """The answers for all objects, in their order. InputError if the table is not for this model.

    ``options`` say what the table does not tell of its light curves.
    """
    bundle = predictor.bundle
    options.require_use(bundle.needs_light_curves, bundle.label)
    used = match_features(bundle.features, list(files.columns)).used
    curves = options if bundle.needs_light_curves else None
    source = FileSource(files, used, light_curves=curves)
    return pa.concat_tables([schema(predictor.predict(batch)) for batch in source])
