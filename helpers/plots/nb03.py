"""The pictures of notebook 03: the learning rate of a run, and which texts come out right."""

from helpers import plots


@plots.styled
def learning_rates(curve):
    """Draw the learning rate at every step of a run; the title says where it is highest."""
    rates = curve.learning_rate
    _, axes = plots.new(height=2.3)
    plots.over_steps(axes, rates)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-5, -5))
    highest = f"highest at step {rates.index(max(rates)) + 1} of {len(rates)}"
    if min(rates) == max(rates):
        highest = f"the same at each of {len(rates)} steps"
    title = f"The learning rate is {highest}: {max(rates):.2g}"
    plots.finish(axes, f"Line chart. {title}. At step 1 it is {rates[0]:.2g}, at the last step "
                       f"{rates[-1]:.2g}.",
                 xlabel="step", ylabel="learning rate", ylim=(0, None), title=title)


@plots.styled
def shares_right(groups, title):
    """Draw the share of right answers in each group, {name: (right, texts)}, the worst last."""
    shares = {name: right / texts for name, (right, texts) in groups.items()}
    shares = dict(sorted(shares.items(), key=lambda item: -item[1]))
    notes = {name: "{} of {}".format(*groups[name]) for name in shares}
    axes = plots.bar_chart(shares, dict.fromkeys(shares, ""), row=0.42)
    whole = axes.barh(range(len(shares)), 1, height=0.64, color=plots.PALE, zorder=0)
    axes.bar_label(whole, notes.values(), padding=8)
    plots.finish(axes, f"Bar chart of right answers by group: {plots.listed(notes)}.",
                 title=title, xlabel="share of the texts that are right", xlim=(0, 1.14),
                 xticks=[0, 0.5, 1])
