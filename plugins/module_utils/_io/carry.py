# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from plans to the world, for the modules that change something.

What it needs is half of the code, and is imported late: a host where all is as it should be does without.
"""

from __future__ import annotations

from .jobs import Jobs
from .module import Done, Outcome


def telling(jobs: Jobs, path: str):
    """Return a context in which a file tells how far long work is."""
    from .progress import written

    return written(jobs, path)


def fetch(outcome: Outcome, connection) -> None:
    """Fetch what must be there before it can be planned with; raise ImageError."""
    from .spool import spool

    for source, pool in outcome.unknown:
        spool(source, pool, outcome.access, connection.jobs)


def carry_out(outcome: Outcome, connection) -> list[Done]:
    """Apply the plans, and let libvirt see what was left behind where it did not look."""
    plans = outcome.plans
    if outcome.spent or any(plan.steps or plan.waits or plan.refused for plan in plans):
        from .perform import perform

        done = perform(outcome, connection)
    else:
        done = [Done(plan, (), plan.state) for plan in plans]
    for pool in outcome.unlisted:
        connection.refresh_pool(pool)
    return done
