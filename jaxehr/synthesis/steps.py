"""How long to train where nobody chose."""

from jaxehr.codecs import Codec

EPOCHS, FEWEST_STEPS = 150, 2_000


def steps_for(
    codec: Codec,
    batch_size: int,
    steps: int | None,
    *,
    most: int,
    epochs: int = EPOCHS,
    fewest: int = FEWEST_STEPS,
) -> int:
    """`steps`, or where nobody chose as many as the records need: 150 epochs, at least 2,000, at most `most`.

    Raises ValueError if steps or batch_size < 1.
    """
    if batch_size < 1 or (steps is not None and steps < 1):
        raise ValueError(f"steps and batch_size must be at least 1; got {steps} and {batch_size}")
    if steps is not None:
        return steps
    return min(max(epochs * codec.rows // batch_size, fewest), most)


def ema_decay_for(steps: int) -> float:
    """Of an average over a twentieth of the steps, 10 to 1,000 of them."""
    return 1 - 1 / min(max(steps / 20, 10), 1_000)
