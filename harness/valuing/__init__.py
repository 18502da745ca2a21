"""Values for what a person brings: asked of a method, with what they are worth trusting.

``session`` holds a pool without a truth and what trains on it; ``asking`` asks a method, on the whole target and on
parts of it; ``look`` tells what each contributor looks like; ``boards`` reads what the published leaderboards say, and
``choosing`` takes a method by that; ``precision`` tells what intervals hold; ``audit`` retrains to see how well values
foretell; ``valuation`` puts it together as an ``Outcome``, which ``sections`` tells in words and tables, for
``terminal``, ``files`` and ``page``. ``values`` is the way in, and ``valued`` what comes out.
"""
