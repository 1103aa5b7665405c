"""The progress bar of the pretraining."""

from transformers import ProgressCallback


class ProgressBar(ProgressCallback):
    """A bar with the loss and the newest validation loss, instead of a line for every step."""

    def on_train_begin(self, args, state, control, **kwargs):
        """Open the bar."""
        super().on_train_begin(args, state, control, **kwargs)
        self.shown = {}

    def on_log(self, args, state, control, logs=None, **kwargs):
        """Show the newest figures."""
        names = {"loss": "loss", "eval_loss": "validation"}
        if self.training_bar is not None:  # None in an evaluation before or after the training
            self.shown |= {names[k]: f"{v:.3f}" for k, v in logs.items() if k in names}
            self.training_bar.set_postfix(self.shown, refresh=False)
