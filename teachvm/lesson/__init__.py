"""Lessons as data: the format, its loader with located errors, the player and the checks.

Role: a lesson steers time and asks questions; it never changes what the machine does.
May import: `world` and everything to its right.

Design notes, in the order a lesson passes through:

* `folder`, `catalogue`: where lessons are, and nothing outside their folder. `problems`: complaints with their place.
* `yamldoc`, `markdown`: bounded YAML and Markdown with places; `schema`, `blocks`: what may stand in them, written
  once; `validation`: the schema's complaints in an author's words.
* `names`, `milestones`, `cards`: the words of the language, as tables. `kinds` checks an expression before anything
  runs, `expressions` is the one door to simpleeval, `anchors` says where a run ends.
* `setting` builds the guests, `binder` gives blocks their meaning, `loader` puts the `model` together, whole or not
  at all.
* `scope` is what an expression may read; `reading`, `records`, `happenings` bind it to a world.
* `steps` is the order of a beat, `journey` and `watching` move a world to an anchor, `judging` asks the machine for the
  answers, `progress` is one student's way. `player`, `terminal` and `checking` play a lesson to the end.
"""
