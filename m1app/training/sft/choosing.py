"""Which checkpoint becomes the model, where that depends on accuracies that the app measures."""

import shutil

from trl import SFTTrainer

from m1app.training.events import EventWriter, best_accuracy, decided_steps, read_events
from m1app.training.folder import TrainingFolder
from m1app.training.sft.processes import is_so_anywhere


def choose_by_accuracy(trainer: SFTTrainer, folder: TrainingFolder, writer: EventWriter, step: int) -> bool:
    """Load the checkpoint with the highest accuracy into the trained model.

    Returns:
        False if accuracies are still to come: this process then ends, so that nothing holds memory while they are
        measured, and the app starts it again.
    """
    events = read_events(folder.progress_file)
    is_pending = bool(set(folder.steps_to_ask()) - decided_steps(events))
    # The app writes meanwhile, so that processes may have read different events.
    if is_so_anywhere(is_pending, trainer.args):
        message = "All steps are done. Which checkpoint becomes the model depends on accuracies still to be measured."
        writer.write("trained", step, message=message)
        return False
    best = best_accuracy(events)
    if best is None or not folder.weights_to_ask(best["step"]).is_dir():
        message = "No checkpoint's accuracy could be measured, so the last one becomes the model."
    else:
        trainer._load_from_checkpoint(str(folder.weights_to_ask(best["step"])))
        message = (
            f"Using the checkpoint of step {best['step']:,}, which answered {best['correct']:,} of {best['n']:,} "
            "questions right. With few questions, a choice among checkpoints is largely chance."
        )
    writer.write("note", step, message=message)
    return True


def forget_later_weights(folder: TrainingFolder, step: int) -> None:
    """Remove weights of later steps, which are repeated."""
    for kept in folder.steps_to_ask():
        if kept > step:
            shutil.rmtree(folder.weights_to_ask(kept), ignore_errors=True)
