"""ScoEHR beyond what every recipe does: its two stages, its latents, how it decodes, and what its authors' code gets
wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from untrained import untrained

import jaxehr
from jaxehr.networks import tanh_autoencoder, unet_2d
from jaxehr.processes import Gaussian, vp
from jaxehr.recipes import scoehr
from jaxehr.recipes.scoehr import EPOCHS, falling, latent_model, of_codes, score_model
from jaxehr.synthesis.sampling import _draw_batch
from jaxehr.synthesis.view import Layout, layout_of

TINY = {"channels": 4, "multipliers": (1,), "blocks": 0}
SMALL = {**TINY, "latent": 9, "steps": 8, "autoencoder_steps": 16, "batch_size": 16}


def mixed(n=400):
    """Numbers and bits in turn, as ScoEHR's authors' indices cannot have them; one number follows from a bit."""
    rng = np.random.default_rng(0)
    ill, hours = rng.random(n) < 0.4, rng.integers(0, 24, n)
    return pd.DataFrame(
        {
            "ill": ill,
            "pulse": np.round(60 + 60 * ill + rng.normal(0, 2, n), 1),
            "male": rng.random(n) < 0.5,
            "hours": hours,
        }
    )


def test_a_run_killed_in_its_second_stage_goes_on_there(tmp_path, monkeypatch):
    """And equals an unbroken one; the first stage is not trained again."""
    records = mixed(60)
    recipe = scoehr(records, **SMALL)
    options = {"steps_per_dispatch": 4, "checkpoint_every": 4}
    unbroken = jaxehr.fit(recipe, records, jax.random.key(0), **options)

    from jaxehr.training import checkpoint

    save, saved = checkpoint.Checkpoints.save, []

    def killed(self, step, *state):
        save(self, step, *state)
        self.wait()
        saved.append(step)
        if saved[-2:] == [16, 4]:  # the last of the first stage, the first of the second
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.Checkpoints, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        jaxehr.fit(recipe, records, jax.random.key(0), run_dir=tmp_path, **options)
    assert saved == [4, 8, 12, 16, 4]
    resumed = jaxehr.fit(
        recipe, records, jax.random.key(0), run_dir=tmp_path, resume=True, **options
    )
    assert saved == [4, 8, 12, 16, 4, 8]
    jax.tree.map(np.testing.assert_array_equal, resumed.params, unbroken.params)


def test_columns_come_back_where_they_were():
    """Encoded and decoded alone: a number that is a bit's consequence stays so, whatever stands between them."""
    records = mixed()
    recipe = scoehr(records, **SMALL | {"latent": 16, "autoencoder_steps": 1500, "steps": 1})
    trained = jaxehr.fit(recipe, records, jax.random.key(0)).params["autoencoder"]
    layout = layout_of(recipe.codec)
    coder = tanh_autoencoder(layout.columns, 16)
    x = jnp.asarray(recipe.view.to_x(recipe.codec.encode(records)), jnp.float32)
    decoded = jax.nn.sigmoid(coder.decode(trained, coder.encode(trained, x)))
    found = recipe.codec.decode(recipe.view.of_x(np.asarray(decoded)))
    assert list(found) == list(records)
    assert (found["ill"] == records["ill"]).all() and (found["male"] == records["male"]).all()
    for name in ("pulse", "hours"):
        apart = (found[name].astype(float) - records[name]).abs().mean()
        assert apart < 0.1 * np.ptp(records[name])


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_bits_are_rounded_or_drawn_with_the_decoded_probability(share):
    """Whatever the code is. 4 standard errors: 1 in 16,000."""
    layout, n = Layout(0, 1, (), (), np.zeros((2, 0)), np.zeros((2, 0))), 20_000
    coder = tanh_autoencoder(1, 4)
    trained = jax.tree.map(jnp.zeros_like, jax.eval_shape(coder.init, jax.random.key(0)))
    trained["decoder"]["bias"] = jnp.log(jnp.array([share / (1 - share)]))
    codes = score_model(
        Gaussian(vp()), lambda d: unet_2d(d, **TINY), of_codes(4), steps=1
    )._replace(draw=lambda params, key, **asked: jaxehr.types.Draw(jnp.zeros(4), jnp.ones(())))
    for drawn, expected in ((True, share), (False, 0.0)):
        model = latent_model(codes, layout, coder, trained, drawn=drawn)
        keys = jax.random.split(jax.random.key(1), n)
        x = jax.vmap(lambda key, model=model: model.draw({}, key).x)(keys)
        assert abs((x >= 0.5).mean() - expected) <= 4 * (expected * (1 - expected) / n) ** 0.5


def test_padding_has_no_part_in_the_loss():
    """Six columns in a square of nine: it begins near 6. 5 standard errors: 1 in a million."""
    model = score_model(Gaussian(vp()), lambda d: unet_2d(d, **TINY), of_codes(6), steps=1)
    params = jax.jit(model.init)(jax.random.key(0))
    x0 = jax.random.uniform(jax.random.key(1), (256, 6))
    losses = jax.jit(model.loss)(params, jax.random.key(2), x0)
    assert abs(losses.mean() - 6) < 5 * (2 * 6 / 256) ** 0.5


def test_the_ablation_diffuses_the_record_itself_and_keeps_what_is_given():
    """Not trained: what is given stays, whatever the network says."""
    records = mixed(60)
    recipe = scoehr(records, **SMALL | {"autoencoder": False})
    (stage,) = recipe.stages
    assert stage.name == "score"
    params = jax.jit(stage.model.init)(jax.random.key(0))
    synthesizer = jaxehr.Synthesizer(recipe, {"score": params})
    grid = stage.model.grid(4)
    given = {"male": True}
    drawn = synthesizer.sample(jax.random.key(1), 8, given=given, grid=grid, batch_size=8)
    assert list(drawn) == list(records) and drawn["male"].all()


def test_the_rate_is_that_of_the_paper():
    """Eq. 18: 1 - max(0, e - 20) / 190 at epoch e of 200."""
    rate = falling(2.0, 1000 * EPOCHS)
    for epoch, factor in ((0, 1), (20, 1), (21, 1 - 1 / 190), (115, 0.5), (199, 11 / 190)):
        for step in (1000 * epoch, 1000 * epoch + 999):
            np.testing.assert_allclose(rate(jnp.array(step)), 2 * factor, rtol=1e-5)
    assert falling(2.0, 3)(2) > 0  # their 10 epochs divide by 0


@pytest.mark.parametrize(
    ("latent", "levels", "nearest"),
    [(150, 3, 144), (100, 3, 64), (36, 3, 16), (0, 3, 16), (63, 1, 64)],
)
def test_a_latent_that_is_no_square_that_can_be_halved_is_refused(latent, levels, nearest):
    with pytest.raises(ValueError, match=f"got {latent}, the nearest that is: {nearest}$"):
        scoehr(mixed(60), latent=latent, multipliers=(1,) * levels)


def test_channels_of_the_second_stage_are_refused_before_the_first_is_trained():
    with pytest.raises(ValueError, match=r"channels must be a multiple of 4.*got 30.*: 32$"):
        scoehr(mixed(60), channels=30)


def test_a_value_cannot_be_given_and_nothing_is_drawn_to_find_that_out():
    """One program is begun, and none to draw without the condition; a range is met by draws anew."""
    run = untrained(scoehr(mixed(60), **SMALL, sampling_steps=2))
    programs = _draw_batch._cache_size()
    with pytest.raises(ValueError, match="it cannot be given a part of the record"):
        run.sample(jax.random.key(0), 4, given={"male": True}, batch_size=8)
    assert _draw_batch._cache_size() == programs + 1
    drawn = run.sample(jax.random.key(0), 4, given={"hours": (0, 23)}, batch_size=8)
    assert drawn["hours"].between(0, 23).all()


def test_a_posterior_needs_a_decoder():
    with pytest.raises(ValueError, match="without an autoencoder there are none"):
        scoehr(mixed(60), autoencoder=False, posterior_draw=True)


def test_the_published_settings():
    recipe = scoehr(mixed(60))
    for name, value in {
        "latent": 144,
        "channels": 128,
        "multipliers": (1, 2, 2),
        "blocks": 2,
        "sampling_steps": 1000,
        "learning_rate": 1e-3,
        "posterior_draw": False,
    }.items():
        assert recipe.settings[name] == value
    grid = score_model(Gaussian(vp()), lambda d: unet_2d(d, **TINY), of_codes(4), steps=1).grid(
        1000
    )
    np.testing.assert_allclose(grid, np.linspace(1, 0, 1001), atol=1e-12)
