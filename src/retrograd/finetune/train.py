"""The loop: epochs of steps, each epoch judged, all of it saved so that a run goes on where it was killed."""

import os
import sys
import time

from tqdm import tqdm

import retrograd
from retrograd.nn import functional as F

from . import UsageError, data, report, state
from .model import IMAGENET, build, freeze, optimizer_of, train_mode


def finetune(options):
    """Run the command; gives the exit status."""
    try:
        return _Run(options).go()
    except UsageError as error:
        print(f"finetune: {error}", file=sys.stderr)
        return 2


class _Run:
    """One run: its data, model, optimizer and progress.

    progress: epoch and step (what comes next), sums (of this epoch so far), history (a row for each epoch),
    best (its accuracy) and since (epochs without a better one).
    """

    def __init__(self, options):
        self.options = options
        state.prepare_folder(options)
        retrograd.manual_seed(options.seed)
        self.mean, self.std = IMAGENET
        train, val, self.classes = data.split(options)
        self.model, heads, notes = build(options, len(self.classes))
        self.frozen = freeze(self.model, options.freeze, heads)
        print(report.plan(self.model, train, val, self.classes, options))
        for note in notes:
            print(note)
        self.train_loader, self.order, self.val_loader = data.loaders(
            options, train, val, self.mean, self.std
        )
        self.mix = data.Mix(len(self.classes), options.seed) if options.augment == "mixed" else None
        self.optimizer = optimizer_of(options, self.model)
        steps = options.epochs * self.order.batches
        if options.schedule == "cosine":
            self.schedule = retrograd.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)
        else:
            self.schedule = retrograd.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: 1.0)
        self.progress = {"epoch": 1, "step": 0, "sums": [0.0, 0, 0], "history": [], "best": -1.0, "since": 0}

    def go(self):
        if self.options.dry_run:
            return self.try_out()
        if self.options.resume:
            self.progress = state.load_last(self.options, self.model, self.optimizer, self.schedule)
            if self.finished():
                print(f"the run in {self.options.out!r} is finished")
                return 0
            print(f"going on at epoch {self.progress['epoch']}, step {self.progress['step'] + 1}")
        else:
            self.save()
        print(report.header())
        for row in self.progress["history"]:
            print(report.line(row, False))
        try:
            while not self.finished():
                self.epoch()
        except KeyboardInterrupt:
            print(
                f"\ninterrupted; the same command with --resume goes on ({self.options.out})", file=sys.stderr
            )
            return 130
        told = report.curves(self.options, self.progress["history"])
        best = os.path.join(self.options.out, state.BEST)
        print(f"best validation accuracy {self.progress['best']:.1%}; the model: {best}")
        if told:
            print(told)
        return 0

    def finished(self):
        patience = self.options.patience
        if patience is not None and self.progress["since"] >= patience:
            return True
        return self.progress["epoch"] > self.options.epochs

    def save(self):
        state.save_last(self.options, self.model, self.optimizer, self.schedule, self.progress)

    # --- an epoch ---------------------------------------------------------------------------------

    def epoch(self):
        """The rest of the current epoch, and its judgement."""
        p = self.progress
        learning_rate = self.optimizer.param_groups[0]["lr"]
        if p["step"] == 0:
            p["lr"] = learning_rate
        train_mode(self.model, self.frozen)
        total = self.order.batches
        self.order.begin(p["epoch"], p["step"])
        bar = tqdm(
            self.train_loader, f"epoch {p['epoch']}", total, initial=p["step"], leave=False, unit="step"
        )
        for images, labels in bar:
            self.step(images, labels)
            bar.set_postfix(loss=f"{p['sums'][0] / p['sums'][2]:.4f}")
            if self.options.save_steps and p["step"] % self.options.save_steps == 0 and p["step"] < total:
                self.save()
        loss, right, count = p["sums"]
        row = {
            "epoch": p["epoch"],
            "lr": p["lr"],
            "train_loss": loss / count,
            "train_accuracy": right / count,
        }
        row["val_loss"], row["val_accuracy"] = self.judge()
        better = row["val_accuracy"] > p["best"]
        p["history"].append(row)
        p["best"], p["since"] = (row["val_accuracy"], 0) if better else (p["best"], p["since"] + 1)
        p.update(epoch=p["epoch"] + 1, step=0, sums=[0.0, 0, 0])
        if better:
            state.save_best(self.options, self.model, self.classes, self.mean, self.std, row)
        state.write_metrics(self.options, p["history"])
        self.save()
        tqdm.write(report.line(row, better))

    def step(self, images, labels):
        p = self.progress
        targets = labels
        if self.mix is not None:
            images, targets = self.mix(images, labels, p["epoch"], p["step"])
        scores, others = outputs_of(self.model(images))
        loss = self.loss(scores, targets)
        total = loss + sum(0.3 * self.loss(other, targets) for other in others)
        if not retrograd.isfinite(total):
            raise UsageError(
                f"the loss is {total.item()} at epoch {p['epoch']}, step {p['step'] + 1}; a smaller --lr "
                f"(now {self.optimizer.param_groups[0]['lr']:.3g}) may help [RG173]"
            )
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        self.schedule.step()
        p["step"] += 1
        sums, count = p["sums"], len(labels)
        p["sums"] = [
            sums[0] + loss.item() * count,
            sums[1] + int((scores.argmax(1) == labels).sum()),
            sums[2] + count,
        ]

    def loss(self, scores, targets):
        return F.cross_entropy(scores, targets, label_smoothing=self.options.label_smoothing)

    @retrograd.no_grad()
    def judge(self):
        """(loss, accuracy) on the validation images."""
        self.model.eval()
        loss = right = count = 0
        for images, labels in tqdm(self.val_loader, desc="validation", leave=False, unit="batch"):
            scores, _ = outputs_of(self.model(images))
            loss += F.cross_entropy(scores, labels, reduction="sum").item()
            right += int((scores.argmax(1) == labels).sum())
            count += len(labels)
        return loss / count, right / count

    def try_out(self):
        """One step on one batch, timed; nothing is written."""
        train_mode(self.model, self.frozen)
        self.order.begin(1)
        images, labels = next(iter(self.train_loader))
        start = time.perf_counter()
        self.step(images, labels)
        seconds = time.perf_counter() - start
        epoch = seconds * self.order.batches
        print(f"a step takes {seconds:.2f} s, an epoch {epoch:.0f} s without validation; nothing was written")
        return 0


def outputs_of(result):
    """(scores, auxiliary scores) of what a model gives: a tensor, or a named tuple as GoogLeNet's."""
    if isinstance(result, retrograd.Tensor):
        return result, []
    return result[0], [other for other in result[1:] if other is not None]
