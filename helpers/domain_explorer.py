"""A text through models of several domains, to play with: who calls it positive?"""

import functools
import html

import ipywidgets

from helpers import plots, widgets


def domain_explorer(positive, text, domain):
    """Return a text field, a choice of the text's own domain, and what each domain's model says.

    `positive(text)` returns {domain: probability, 0 to 1, that the text is positive}.
    """
    field = ipywidgets.Text(value=text, description="Text", continuous_update=False,
                            layout=ipywidgets.Layout(width="98%"))
    said = functools.lru_cache(maxsize=1)(positive)
    own = ipywidgets.SelectionSlider(options=[*said(text)], value=domain,
                                     description="It is about",
                                     style={"description_width": "initial"},
                                     layout=ipywidgets.Layout(width="60%"))
    view = ipywidgets.HTML()

    def update(_=None):
        view.value = verdicts_html(said(field.value), own.value)

    field.observe(update, names="value")
    own.observe(update, names="value")
    update()
    return widgets.Playable([field, own, view])


def verdicts_html(positive, own):
    """Return HTML with a bar for each domain's probability of positive, that of `own` in bold."""
    rows = []
    for domain, share in positive.items():
        colour = plots.BLUE if share > 0.5 else plots.ORANGE
        weight = "bold" if domain == own else "normal"
        rows.append(
            '<div style="display:flex;align-items:center;gap:8px;line-height:1.5">'
            f'<span style="width:110px;text-align:right;font-weight:{weight}">'
            f'{html.escape(domain)}</span><div style="width:{260 * share:.0f}px;min-width:2px;'
            f'height:12px;background:{colour}"></div><small>{share:.2f}</small></div>')
    others = [share > 0.5 for domain, share in positive.items() if domain != own]
    agree = others.count(positive[own] > 0.5)
    return (f"<div>{''.join(rows)}</div><div>{agree} of the {len(others)} models of other domains "
            f"agree with that of {html.escape(own)}.</div>")
