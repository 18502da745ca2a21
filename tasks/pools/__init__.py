"""How pools are dealt, whatever the data: what the embedded tasks and those on sources share.

``splits`` divides real rows by their content; ``dealing`` draws each contributor's axes and rows from a task's
materials (``text_materials``; ``image_pools``, with ``image_generator``, ``image_styles`` and ``image_changes``), and
``drawing`` gives each of their rows out once; ``truncation`` measures what of the real side a synthetic side lost.
"""
