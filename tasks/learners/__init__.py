"""What learns: model families as pure functions of their parameters.

``functional`` makes a learner of a torch module; ``classifier`` and ``language_model`` are its two kinds of loss.
``transformer`` builds modules, ``base`` trains small ones once, ``fine_tuned`` starts small learners from such a base,
``pretrained`` takes a model from a folder or a hub, ``pixels`` gives it images. ``tokenizers`` and ``encoding`` turn
texts into rows of token ids.

What a task says of itself needs no torch: ``sizes``, ``pretrained``, ``tokenizers`` and ``encoding`` import none, and
tasks import the others where they make a learner.
"""
