"""The pictures of notebook 03: the learning rate of a run, and which texts come out right."""

from helpers import plots


@plots.styled
def learning_rates(curve):
    """Draw the learning rate at every step of a run; the title says where it is highest."""
    rates = curve.learning_rate
    figure, axes = plots.new(height=2.3)
    plots.over_steps(axes, rates)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-5, -5))
    highest = f"highest at step {rates.index(max(rates)) + 1} of {len(rates)}"
    if min(rates) == max(rates):
        highest = f"the same at each of {len(rates)} steps"
    title = f"The learning rate is {highest}: {max(rates):.2g}"
    axes.set(xlabel="step", ylabel="learning rate", ylim=(0, None), title=title)
    plots.show(figure, f"Line chart. {title}. At step 1 it is {rates[0]:.2g}, at the last step "
                       f"{rates[-1]:.2g}.")


@plots.styled
def shares_right(groups, title):
    """Draw the share of right answers in each group with its size.

    `groups` maps a name to (right, texts); the worst group comes last.
    """
    shares = {name: right / texts for name, (right, texts) in groups.items()}
    shares = dict(sorted(shares.items(), key=lambda item: item[1], reverse=True))
    notes = {name: "{} of {}".format(*groups[name]) for name in shares}
    figure, axes = plots.bar_chart(
        shares, notes, at=dict.fromkeys(shares, 1), row=0.42, title=title, xlim=(0, 1.14),
        xlabel="share of the texts that are right", xticks=[0, 0.5, 1],
    )
    axes.barh(range(len(shares)), 1, height=0.64, color=plots.PALE, zorder=0)
    plots.show(figure, f"Bar chart of right answers by group: {plots.listed(notes)}.")
