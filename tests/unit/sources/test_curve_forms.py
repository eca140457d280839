import pyarrow as pa
import pytest

from lcclassify.errors import InputError
from lcclassify.sources.curve_forms import CurveForm, LightCurveOptions, find_form, settle

DOUBLE, TEXT = pa.float64(), pa.string()
SOURCE = pa.struct(
    {"midPointTai": DOUBLE, "filterName": TEXT, "psFlux": DOUBLE, "psFluxErr": DOUBLE}
)
ALERT = {"diaSource": SOURCE, "prvDiaSources": pa.list_(SOURCE)}


def long(*names):
    return dict.fromkeys(("oid", *names), DOUBLE)


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (("mjd", "band", "flux", "flux_err"), ("mjd", "band", "flux", "flux_err", None)),
        (("MJD", "BAND", "FLUXCAL", "FLUXCALERR"), ("MJD", "BAND", "FLUXCAL", "FLUXCALERR", 27.5)),
        (
            ("midPointTai", "filterName", "psFlux"),
            ("midPointTai", "filterName", "psFlux", None, None),
        ),
        (("midpointMjdTai", "band", "psfFlux"), ("midpointMjdTai", "band", "psfFlux", None, 31.4)),
        (
            ("cmidpointMjdTai", "cband", "cpsfFlux", "cpsfFluxErr"),
            ("cmidpointMjdTai", "cband", "cpsfFlux", "cpsfFluxErr", 31.4),
        ),
        (("mjd", "fid", "flux", "mag"), ("mjd", "fid", "flux", None, None)),
        (("mjd", "passband", "flux", "FLUXCAL"), ("mjd", "passband", "flux", None, None)),
    ],
)
def test_columns_are_known_by_their_names(names, form):
    assert find_form(long(*names)) == CurveForm("rows", *form)


@pytest.mark.parametrize("of", [pa.list_, pa.large_list])
def test_a_struct_of_lists_holds_light_curves(of):
    fields = {"mjd": of(DOUBLE), "band": of(TEXT), "psfFlux": of(DOUBLE), "n": DOUBLE}
    form = find_form({"oid": DOUBLE, "curve": pa.struct(fields)})
    assert form == CurveForm("lists", "mjd", "band", "psfFlux", None, 31.4, structs=("curve",))


@pytest.mark.parametrize(
    ("names", "error"),
    [(("mag", "mag_err"), "mag_err"), (("mag", "magerr"), "magerr"), (("mag", "e_mag"), "e_mag")],
)
def test_a_table_of_magnitudes_is_told_from_one_of_fluxes(names, error):
    form = CurveForm("rows", "mjd", "band", "mag", error, None, is_magnitude=True)
    assert find_form(long("mjd", "band", *names)) == form


@pytest.mark.parametrize(
    "columns",
    [
        long("mjd", "band"),
        long("mjd", "flux"),
        long("band", "flux"),
        long("mjd", "band") | {"flux": pa.list_(DOUBLE)},
        long("mjd", "band") | {"flux": pa.struct([])},
        {"diaSource": pa.struct({"ra": DOUBLE})},
        {"detections": pa.list_(pa.struct({"ra": DOUBLE}))},
        {"a": pa.list_(SOURCE), "b": pa.list_(SOURCE)},
        {"a": SOURCE},
    ],
)
def test_a_table_without_light_curves_has_no_form(columns):
    assert find_form(columns) is None


def test_lists_and_structs_are_of_another_kind():
    lists = {name: pa.list_(kind) for name, kind in long("mjd", "band", "FLUXCAL").items()}
    assert find_form(lists) == CurveForm("lists", "mjd", "band", "FLUXCAL", None, 27.5)
    names = ("midPointTai", "filterName", "psFlux", "psFluxErr")
    form = CurveForm("structs", *names, None, structs=("light_curve",))
    assert find_form({"oid": TEXT, "light_curve": pa.list_(SOURCE)}) == form


def test_what_messages_call_mag_is_a_flux_in_nanojansky():
    kind = pa.list_(pa.struct({"mjd": DOUBLE, "fid": TEXT, "mag": DOUBLE, "mag_corr": DOUBLE}))
    names = ("mjd", "fid", "mag", "e_mag")
    form = CurveForm("messages", *names, 31.4, structs=("detections",), sign="isdiffpos")
    assert find_form({"oid": TEXT, "detections": kind}, "features_output") == form
    assert find_form({"oid": TEXT, "detections": kind}).is_magnitude  # a table of somebody's own


@pytest.mark.parametrize(
    ("schema", "zero_point"),
    [
        ("", 31.4),  # Fink's Parquet
        ("elasticc.v0_9.alert", 27.5),
        ("elasticc.v0_9_1.alert", 31.4),
        ("lsst.v7_4.alert", 31.4),
        ("elasticc.v0_9_2.alert", None),
        ("alert", None),
    ],
)
def test_the_schema_of_an_alert_declares_its_zero_point(schema, zero_point):
    names = ("midPointTai", "filterName", "psFlux", "psFluxErr")
    form = CurveForm("alerts", *names, zero_point, structs=("diaSource", "prvDiaSources"))
    assert find_form(ALERT, schema) == form


def test_a_zero_point_that_is_told_wins_over_one_that_is_declared():
    form = find_form(ALERT, "elasticc.v0_9_1.alert")
    assert settle("a.avro", form, LightCurveOptions()).zero_point == 31.4
    assert settle("a.avro", form, LightCurveOptions(27.5)).zero_point == 27.5


def test_magnitudes_become_fluxes_in_nanojansky_unless_told_otherwise():
    form = find_form(long("mjd", "band", "mag"))
    assert settle("a.csv", form, LightCurveOptions(magnitudes=True)).zero_point == 31.4
    assert settle("a.csv", form, LightCurveOptions(27.5, magnitudes=True)).zero_point == 27.5


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (
            long("mjd", "band", "psFlux"),
            {},
            "a.csv: 'psFlux' does not say its unit; give --zero-point, the AB magnitude of flux 1: "
            "31.4 for nJy, 27.5 for SNANA's FLUXCAL",
        ),
        (
            long("mjd", "band", "magpsf"),
            {},
            "a.csv: column 'magpsf' holds magnitudes, and the model looks at fluxes; --magnitudes "
            "converts them: flux = 10 ** (-0.4 * (magnitude - zero point)), the zero point being "
            "31.4 (AB)",
        ),
        (
            long("mjd", "band", "FLUXCAL"),
            {"magnitudes": True},
            "a.csv: 'FLUXCAL' is a flux: there is nothing for --magnitudes",
        ),
        (
            long("mjd", "band", "flux"),
            {"zero_point": float("nan")},
            "--zero-point nan: expected an AB magnitude within -100 and 100",
        ),
        (
            long("mjd", "band", "flux"),
            {"zero_point": -1e6},
            "--zero-point -1e+06: expected an AB magnitude within -100 and 100",
        ),
        (
            long("mjd", "band"),
            {},
            "a.csv: no light curves: expected columns of time, band and flux (mjd, MJD, "
            "midPointTai, midpointMjdTai, cmidpointMjdTai, jd, JD, hjd, obsjd, band, BAND, fid, "
            "filterName, passband, cband, filtercode, flux, FLUXCAL, psfFlux, cpsfFlux, psFlux, "
            "mag, magnitude, magpsf), a row per observation or a list per object; --columns says "
            "which column is what",
        ),
    ],
)
def test_a_table_of_unknown_unit_is_refused(columns, options, message):
    with pytest.raises(InputError) as error:
        settle("a.csv", find_form(columns), LightCurveOptions(**options))
    assert str(error.value) == message
