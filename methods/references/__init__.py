"""Other estimators of what methods of the table estimate: other packages', and slow ones that leave nothing out.

No leaderboard ranks them, so no table of methods names them; ``dataworth study agreement`` sets them beside ours.
"""
