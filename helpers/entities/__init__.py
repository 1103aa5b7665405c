"""Entities: names in a text, one label a token, from marked spans to a model that finds them.

What a sentence and its entities are: `spans`; its tokens and their labels: `alignment`; how well
names are found: `scores`; simple ways to find them: `baselines`; files of other programs:
`reading`.
"""
