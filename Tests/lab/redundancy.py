"""The programs that hand an address from one router to the next."""

from segment import QUIET, addresses, wait_until
from tools import installed

VIP = "10.66.1.100"

# As in Debian's example, but for the pace.
KEEPALIVED = """global_defs {{
    vrrp_version 3
}}
vrrp_instance service {{
    state BACKUP
    interface e0
    {use_vmac}
    virtual_router_id 51
    priority {priority}
    advert_int 0.1
    virtual_ipaddress {{
        {vip}/24
    }}
}}
"""


def keepalived(host, folder, priority, use_vmac=False):
    """Runs keepalived as a router of that priority."""
    folder.mkdir()
    (folder / "conf").write_text(KEEPALIVED.format(
        priority=priority, use_vmac="use_vmac" if use_vmac else "", vip=VIP))
    host.popen(installed("keepalived"), "--dont-fork", "--vrrp", "--use-file", folder / "conf",
               "--pid", folder / "pid", "--vrrp_pid", folder / "vrrp.pid", **QUIET)


def fail_over_and_back(segment, folder, use_vmac=False):
    """Host 1 is the router, loses its cable, so that host 2 takes over, and gets it back; host 3 uses the address."""
    first, second, client = segment[1], segment[2], segment[3]
    keepalived(first, folder / "first", 150, use_vmac)
    wait_until(lambda: VIP in addresses(first), "the first router holds the address")
    keepalived(second, folder / "second", 100, use_vmac)
    segment.must_reach(client, VIP)
    segment.switch.ip("link set p1 down")
    wait_until(lambda: VIP in addresses(second), "failover")
    segment.must_reach(client, VIP)
    segment.switch.ip("link set p1 up")
    wait_until(lambda: VIP in addresses(first) and VIP not in addresses(second), "failback")
    segment.must_reach(client, VIP)


def ucarp(host, own_ip, folder, skew):
    """Runs ucarp for the address; the one with the smaller skew becomes master."""
    for name, verb in (("up", "add"), ("down", "del")):
        script = folder / name
        script.write_text(f"#!/bin/sh\nexec ip addr {verb} {VIP}/24 dev $1\n")
        script.chmod(0o755)
    return host.popen(
        installed("ucarp"), "--interface=e0", f"--srcip={own_ip}", "--vhid=7", "--pass=lab", f"--addr={VIP}",
        f"--upscript={folder / 'up'}", f"--downscript={folder / 'down'}", f"--advskew={skew}", "--deadratio=1",
        "--neutral", "--shutdown", **QUIET)
