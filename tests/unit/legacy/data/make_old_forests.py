"""Made the forests beside this file. Run once per environment, with these packages:

python 3.8, scikit-learn 0.22.2, imbalanced-learn 0.6.2, numpy 1.19.5, pandas 1.0.5, scipy 1.4.1
python 3.11, scikit-learn 1.3.2, imbalanced-learn 0.11.0, numpy 1.26.4

It writes sklearn_<version>.pkl (protocol 2 from Python 3.8, else 5) and sklearn_<version>.npz with
an input matrix ``x`` and what that version's predict_proba gives for it, ``probability``.
"""

import pathlib
import pickle
import sys

import numpy as np
import sklearn
from imblearn.ensemble import BalancedRandomForestClassifier

rng = np.random.RandomState(20)
x = rng.normal(size=(150, 4)).round(1)  # coarse, so that some leaves stay impure
y = np.array(["AGN", "QSO", "YSO"])[
    (x[:, 0] + rng.normal(size=150) > 0).astype(int) + (x[:, 1] > 0.7)
]
forest = BalancedRandomForestClassifier(n_estimators=4, max_depth=4, random_state=rng).fit(x, y)

old = sys.version_info < (3, 9)
stem = pathlib.Path(__file__).with_name("sklearn_" + sklearn.__version__)
pathlib.Path(str(stem) + ".pkl").write_bytes(pickle.dumps(forest, 2 if old else 5))
np.savez_compressed(str(stem) + ".npz", x=x, probability=forest.predict_proba(x))
