"""One kind of error for what a learner can put right."""


class LearnerError(ValueError):
    """Something that the reader can mend: says what is wrong, where, and what to do next.

    In a notebook it shows as that message alone, without the stack of calls that led there.
    """

    def _render_traceback_(self):
        # The hook that IPython asks for before it prints a traceback.
        return [f"{type(self).__name__}: {self}"]
