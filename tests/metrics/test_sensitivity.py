import numpy as np
import pytest
import torch

from interpviz.errors import InputError
from interpviz.metrics import sensitivity_n
from interpviz.metrics.sensitivity import _subsets


def effects(model, images, target):
    return (model.head.weight[target].detach().view(3, 8, 8) * images).sum(1)


@pytest.mark.parametrize("cells", [None, (4, 4), (3, 5), (8, 1)])
def test_exact_attributions_of_a_linear_model_correlate_fully(make_model, images, cells):
    model = make_model("linear")
    found = sensitivity_n(model, images, effects(model, images, 2), 2, cells=cells, subsets=20)
    torch.testing.assert_close(found.scores, torch.ones_like(found.scores), atol=1e-4, rtol=0)
    opposite = sensitivity_n(model, images, -effects(model, images, 2), 2, cells=cells, subsets=20)
    torch.testing.assert_close(opposite.scores, -found.scores, atol=1e-4, rtol=0)


def test_correlations_are_those_of_a_slow_loop(model, images, maps):
    sizes, subsets, classes = [1, 3, 5], 9, [0, 2, 1]
    found = sensitivity_n(
        model, images, maps, classes, sizes=sizes, cells=(2, 4), subsets=subsets, baseline=0.3
    )
    chosen = _subsets(sizes, 8, subsets, 0)
    model = model.double()
    for i, c in enumerate(classes):
        for s, size in enumerate(sizes):
            expected, change = [], []
            for subset in chosen[s * subsets : (s + 1) * subsets].tolist():
                assert sum(subset) == size
                picture, total = images[i].double().clone(), 0.0
                for cell in np.flatnonzero(subset):
                    rows = slice(4 * (cell // 4), 4 * (cell // 4) + 4)
                    columns = slice(2 * (cell % 4), 2 * (cell % 4) + 2)
                    picture[:, rows, columns] = 0.3
                    total += float(maps[i, rows, columns].sum())
                with torch.no_grad():
                    before, after = model(torch.stack([images[i].double(), picture]))[:, c]
                expected.append(total)
                change.append(float(before - after))
            reference = np.corrcoef(expected, change)[0, 1]
            assert float(found.scores[i, s]) == pytest.approx(reference, abs=2e-4)
    assert found.fractions.tolist() == pytest.approx([1 / 8, 3 / 8, 5 / 8])


def test_a_map_that_is_the_same_everywhere_has_no_correlation(make_model, images):
    found = sensitivity_n(make_model(), images, torch.ones(3, 8, 8), 0, cells=(4, 4), subsets=5)
    assert found.scores.isnan().all()


def test_a_single_size_is_its_own_area(make_model, images, maps):
    found = sensitivity_n(make_model(), images, maps, 0, sizes=[4], cells=(4, 4), subsets=5)
    assert torch.equal(found.area, found.scores[:, 0])


@pytest.mark.parametrize(
    "options",
    [
        {"sizes": [0]},
        {"sizes": [3, 2]},
        {"sizes": [16]},
        {"sizes": []},
        {"cells": (9, 2)},
        {"cells": (1, 1)},
        {"subsets": 1},
        {"sizes": 4},
        {"sizes": [1.5, 3]},
        {"cells": 4},
        {"cells": (4.0, 4)},
        {"cells": (0, 4)},
        {"cells": (4, 4, 4)},
    ],
)
def test_wrong_options_are_refused(make_model, images, maps, options):
    with pytest.raises(InputError):
        sensitivity_n(make_model(), images, maps, 0, **{"cells": (4, 4), **options})
