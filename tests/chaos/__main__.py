# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole campaign, as ``make chaos`` runs it."""

import argparse
import sys

from tests.chaos.campaign import SETTINGS, Campaign, Plan
from tests.daemons import private_folder
from tests.house import open_house


def main() -> int:
    """Return 0 when nothing was lost, doubled or unscanned."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    plan = Plan(options.messages, options.kills, clients=options.clients, seed=options.seed)
    with private_folder() as folder, open_house(folder, settings=SETTINGS) as house:
        tally = Campaign(house, plan, say=print).run()
    print(f"seed {plan.seed}, {plan.messages} messages, {tally}")
    for kind in ("lost", "doubled", "unscanned", "wrong", "unfinished"):
        for name in getattr(tally, kind)[:20]:
            print(f"{kind}: {name}")
    return 0 if tally.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
