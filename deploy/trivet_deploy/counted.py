"""Numbers of things, in the words of a sentence."""


def counted(number: int, one: str, many: str = "") -> str:
    """`number` with its noun, and whatever of the sentence depends on the number: ``1 channel``,
    ``2,000 channels``. `many` is needed where the plural is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
