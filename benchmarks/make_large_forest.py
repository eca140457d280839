"""A forest of ALeRCE's newest form and size, made of noise: make_large_forest.py OUT --mb 500

A few trees of each forest are fitted; the others are copies of them that split on other features
at other thresholds. So the file grows as fast as it can be written, and every tree has bytes of its
own. The real file has 1.7 GB: 2000 trees, 199 features and 21 classes.
"""

import argparse
import copy
import math
import pickle
import sys
from pathlib import Path

import numpy as np
from imblearn.ensemble import BalancedRandomForestClassifier

HIERARCHY = {
    "transient": ["SNIa", "SESN", "SNII", "SNIIn", "SLSN", "TDE"],
    "periodic": ["LPV", "EA", "EB/EW", "Periodic-Other", "RSCVn", "CEP", "RRLab", "RRLc", "DSCT"],
    "stochastic": ["QSO", "AGN", "Blazar", "YSO", "CV/Nova", "Microlensing"],
}
FORESTS = {"top": list(HIERARCHY)} | {
    node: HIERARCHY[node] for node in ("stochastic", "periodic", "transient")
}
CLASSES = sorted(name for names in HIERARCHY.values() for name in names)

PER_BAND = """
Amplitude AndersonDarling Autocor_length Beyond1Std Con Eta_e ExcessVar GP_DRW_sigma GP_DRW_tau
Gskew Harmonics_chi Harmonics_mag_1 Harmonics_mag_2 Harmonics_mag_3 Harmonics_mag_4 Harmonics_mag_5
Harmonics_mag_6 Harmonics_mag_7 Harmonics_mse Harmonics_phase_2 Harmonics_phase_3 Harmonics_phase_4
Harmonics_phase_5 Harmonics_phase_6 Harmonics_phase_7 IAR_phi LinearTrend MHPS_PN_flag MHPS_high
MHPS_high_30 MHPS_low MHPS_low_365 MHPS_non_zero MHPS_ratio MHPS_ratio_365_30 MaxSlope Mean
Meanvariance MedianAbsDev MedianBRP PairSlopeTrend PercentAmplitude Period_band Psi_CS Psi_eta Pvar
Q31 Rcs SF_ML_amplitude SF_ML_gamma SPM_A SPM_beta SPM_chi SPM_gamma SPM_t0 SPM_tau_fall
SPM_tau_rise Skew SmallKurtosis Std StetsonK TDE_decay TDE_decay_chi TDE_mag0
dbrightness_first_det_band dbrightness_forced_phot_band delta_period fleet_a fleet_chi fleet_m0
fleet_t0 fleet_w last_brightness_before_band max_brightness_after_band max_brightness_before_band
median_brightness_after_band median_brightness_before_band n_forced_phot_band_after
n_forced_phot_band_before positive_fraction ulens_chi ulens_fs ulens_mag0 ulens_t0 ulens_tE ulens_u0
"""
OF_ALL_BANDS = """
Multiband_period_12 PPE_12 Power_rate_1_2_12 Power_rate_1_3_12 Power_rate_1_4_12 Power_rate_2_12
Power_rate_3_12 Power_rate_4_12 Coordinate_x Coordinate_y Coordinate_z Timespan W1_W2 W2_W3 W3_W4
color_variation_12 distpsnr1 g_W1 g_W2 g_W3 g_W4 g_r_max_12 g_r_max_corr_12 g_r_mean_12
g_r_mean_corr_12 mean_chinr_12 mean_distnr_12 mean_sharpnr_12 ps_g_r ps_i_z ps_r_i r_W1 r_W2 r_W3
r_W4 sgscore1 sigma_distnr_12
"""
WRITTEN = OF_ALL_BANDS.split()  # by ALeRCE
WRITTEN += [f"{name}_{band}" for name in PER_BAND.split() for band in (1, 2)]
FEATURES = WRITTEN[:199]  # the real model reads as many of these 209, which ones is not known

N_FITTED = 3  # trees of each forest
N_ROWS = 6000


def fit(classes, rng):
    """A small forest on noise; each row twice with labels drawn apart, so that leaves are mixed."""
    x = rng.normal(size=(N_ROWS, len(FEATURES)))
    x[: N_ROWS // 2] = x[N_ROWS // 2 :]
    y = np.array(classes)[rng.integers(len(classes), size=N_ROWS)]
    return BalancedRandomForestClassifier(
        N_FITTED,
        max_depth=100,
        sampling_strategy="all",
        replacement=True,
        bootstrap=False,
        random_state=int(rng.integers(2**31)),
    ).fit(x, y)


def parts(forest, number):
    """What a forest keeps of one tree: it, its sampler, and a pipeline with copies of both."""
    return forest.estimators_[number], forest.samplers_[number], forest.pipelines_[number]


def grow(forest, n_trees, rng):
    """Add changed copies of the forest's trees until there are so many of them."""
    for number in range(N_FITTED, n_trees):
        estimator, sampler, pipeline = copy.deepcopy(parts(forest, number % N_FITTED))
        tree = estimator.tree_
        inner = tree.children_left >= 0
        tree.feature[inner] = rng.permutation(len(FEATURES))[tree.feature[inner]]
        tree.threshold[inner] += rng.normal(scale=0.01, size=inner.sum())
        forest.estimators_.append(estimator)
        forest.samplers_.append(sampler)
        forest.pipelines_.append(pipeline)
    forest.n_estimators = len(forest.estimators_)


def make(path, n_bytes, seed=0):
    """Write a file of at least so many bytes, all forests with the same number of trees."""
    rng = np.random.default_rng(seed)
    forests = {node: fit(classes, rng) for node, classes in FORESTS.items()}
    # The smallest tree counts, so that the file cannot come out too small.
    sizes = [
        min(len(pickle.dumps(parts(forest, number))) for number in range(N_FITTED))
        for forest in forests.values()
    ]
    for forest in forests.values():
        grow(forest, math.ceil(n_bytes / sum(sizes)), rng)
    model = {
        "feature_list": FEATURES,
        "list_of_classes": CLASSES,
        "class_hierarchy": HIERARCHY,
        "model": forests,
    }
    with path.open("wb") as file:
        pickle.dump(model, file)
    return len(forests["top"].estimators_)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--mb", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    n_trees = make(options.out, options.mb * 10**6, options.seed)
    size = options.out.stat().st_size
    print(f"{options.out}: {size / 1e6:.0f} MB, 4 x {n_trees} trees", file=sys.stderr)


if __name__ == "__main__":
    main()
