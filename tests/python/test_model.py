"""What FLModel accepts and refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anabranch.client import FLModel, ParamsType


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"params_type": "FULL"}, ValueError),
        ({"params_type": "HALF", "params": {}}, ValueError),
        ({"metrics": 0.5}, TypeError),
        ({"meta": [1]}, TypeError),
        ({"current_round": "1"}, TypeError),
        ({"current_round": True}, TypeError),
        ({"total_rounds": -1}, ValueError),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        FLModel(**arguments)


def test_params_without_a_type_are_full() -> None:
    assert FLModel(params={}).params_type is ParamsType.FULL
    assert FLModel(params={}, params_type="DIFF").params_type is ParamsType.DIFF
    assert FLModel(params={}, params_type=ParamsType.DIFF).params_type == "DIFF"


def test_an_empty_model_has_empty_meta() -> None:
    model = FLModel()
    assert (model.params, model.params_type, model.metrics, model.meta) == (None, None, None, {})


def test_the_text_form_is_short() -> None:
    text = repr(FLModel(params={"w": np.zeros(1000)}, current_round=np.int64(3)))
    assert "1 tensors" in text
    assert "current_round=3" in text
    assert len(text) < 120
