"""The knobs of a simulated server: settings that are wrong in one way, each by a name.

``lab fault DIR SIDE NAME on|off`` turns them as it sets the faults of ``fault_table``. A knob is
one row of a table, in the module of its topic: the settings of WSUS or of its machine that it
changes, and how a synchronisation then fails, if it does.
"""

from __future__ import annotations

from deploy.lab.knobs import (
    endpoint,
    machine,
    network,
    proxy,
    serving,
    synchronisation,
    tls,
    upstream,
)
from deploy.lab.knobs.knob import Knob

KNOBS: dict[str, Knob] = {
    **endpoint.KNOBS,
    **machine.KNOBS,
    **tls.KNOBS,
    **proxy.KNOBS,
    **network.KNOBS,
    **upstream.KNOBS,
    **serving.KNOBS,
    **synchronisation.KNOBS,
}
