"""Running backwards to any place a lesson can name: the latest time before now that it was so."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from teachvm.app.notation import count
from teachvm.app.origin import Answer, Quest
from teachvm.lesson.anchors import Anchor
from teachvm.lesson.watching import LINE_KEPT, ConsoleWatch, Watch, watch
from teachvm.trace.events import Event
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline
from teachvm.world.world import World


class Retreat(Quest):
    """Looks backwards for an anchor. What counts in it counts backwards: `nth=2` is the time before the last."""

    def __init__(self, world: World, timeline: Timeline, anchor: Anchor) -> None:
        """Set out from the present moment.

        Raises:
            NoValueError: An argument of the anchor has no value now.
        """
        super().__init__(world, timeline)
        given = dict(anchor.values(self._scope))
        nth, distance = given.get("nth"), given.get("instructions")
        self._left = nth if isinstance(nth, int) else 1
        self._distance = distance if isinstance(distance, int) else None
        kept = tuple((name, value) for name, value in anchor.arguments if name != "nth")
        self._anchor = replace(anchor, arguments=kept)
        self._text = anchor.text
        self._hits: list[Moment] = []
        self._watch = self._armed()

    def _armed(self) -> Watch:
        return watch(self._anchor, self._world, self._scope)

    def _published(self, event: Event) -> None:
        if event.at < self._stop and self._watch.event(event):
            self._hit(event.at)

    def _asked(self, boundary: Moment) -> None:
        if self._watch.boundary():
            self._hit(self._watch.met or boundary)

    def _hit(self, moment: Moment) -> None:
        """It was so: a run ends before, at or after it, as forwards; where one stands already does not count."""
        milestone = self._anchor.milestone
        if milestone is not None and milestone.word != "at" and self._anchor.stop != "at":
            moment = Moment(moment.n + (self._anchor.stop == "after"))
        if moment < self.here:
            self._hits.append(moment)
        self._watch = self._armed()

    def _search(self) -> Generator[Answer | None, None, None]:
        if self._distance is not None:
            yield Answer(f"{self._text}: so many instructions before.", Moment(max(0, self.here.n - self._distance)))
        for start, stop in self._stretches():
            self._hits.clear()
            self._timeline.seek(start)
            self._watch = self._armed()
            self._carry_on()
            unsubscribes = [self._world.recorder.log.subscribe(kind, self._published) for kind in self._watch.kinds]
            try:
                for boundary in self._timeline.again(start, stop, self._watch.barriers, asks=True):
                    self._asked(boundary)
                    yield None
            finally:
                for unsubscribe in unsubscribes:
                    unsubscribe()
            if self._timeline.position == stop != self.here:
                self._asked(stop)
            if len(self._hits) >= self._left:
                at = self._hits[-self._left]
                yield Answer(f"{self._text}: this is where it was so last, moment {count(at.n)}.", at)
            self._left -= len(self._hits)
        yield Answer(f"{self._text} was not so before, since the start.")

    def _carry_on(self) -> None:
        """A line on a console may have begun before the stretch."""
        if not isinstance(self._watch, ConsoleWatch):
            return
        for name in self._world.guests:
            line = self._world.console(name).rpartition("\n")[2][-LINE_KEPT:]
            if not any(pattern.search(line) for pattern in self._watch.patterns):
                self._watch.text[name] = line
