"""What the user reads and looks at: tables, and a picture of the curves."""

import os

from .state import COLUMNS


def plan(model, train, val, classes, options):
    """What will be done, in lines."""
    counts = [[0, 0] for _ in classes]
    for which, samples in enumerate((train, val)):
        for _, label in samples:
            counts[label][which] += 1
    width = max(5, *map(len, classes[:20]))
    lines = [f"{'class':{width}}  training  validation"]
    lines += [f"{name:{width}}  {a:8}  {b:10}" for name, (a, b) in zip(classes[:20], counts, strict=False)]
    if len(classes) > 20:
        lines.append(f"and {len(classes) - 20} classes more")
    lines.append(f"{'all':{width}}  {len(train):8}  {len(val):10}")
    parameters = list(model.parameters())
    learning = sum(p.numel() for p in parameters if p.requires_grad)
    steps = -(-len(train) // options.batch_size)
    lines.append(
        f"{options.model}: {sum(p.numel() for p in parameters):,} parameters, {learning:,} of them learn; "
        f"{steps} steps an epoch, {options.epochs} epochs"
    )
    return "\n".join(lines)


def header():
    return f"{'epoch':>5}  {'lr':>8}  {'train loss':>10}  {'accuracy':>8}  {'val loss':>8}  {'accuracy':>8}"


def line(row, best):
    """A row of the table; a star marks the best so far."""
    return (
        f"{row['epoch']:5}  {row['lr']:8.2g}  {row['train_loss']:10.4f}  {row['train_accuracy']:8.1%}  "
        f"{row['val_loss']:8.4f}  {row['val_accuracy']:8.1%}{' *' if best else ''}"
    )


def curves(options, history):
    """Draw curves.png and curves.svg into the run's folder; what to tell the user."""
    if len(history) < 2:
        return None
    try:
        import matplotlib
    except ImportError:
        return 'for a picture of the curves: pip install "retrograd[plot]"'
    matplotlib.use("Agg", force=False)
    from matplotlib.figure import Figure

    assert set(COLUMNS) <= set(history[0])
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    epochs = [row["epoch"] for row in history]
    for axes, name, words in zip(
        figure.subplots(1, 2), ("loss", "accuracy"), ("loss", "accuracy, %"), strict=True
    ):
        factor = 100 if name == "accuracy" else 1
        for part, colour in (("train", "#7a8793"), ("val", "#c2410c")):
            values = [factor * row[f"{part}_{name}"] for row in history]
            label = {"train": "training", "val": "validation"}[part]
            axes.plot(epochs, values, color=colour, label=label, marker="o", markersize=3)
        axes.set_xlabel("epoch")
        axes.set_title(words, loc="left", fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    for kind in ("png", "svg"):
        figure.savefig(os.path.join(options.out, f"curves.{kind}"), dpi=144)
    return f"curves: {os.path.join(options.out, 'curves.png')}"
