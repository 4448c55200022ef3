"""A one-node Slurm for one test, without systemd and cgroups."""

import os
import pwd
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.process import HUNG, until

CONF = """\
ClusterName=noxcli
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={first_port}
SlurmdPort={second_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={at}/munge.socket
CredType=cred/munge
StateSaveLocation={at}/ctld
SlurmdSpoolDir={at}/d
SlurmctldPidFile={at}/slurmctld.pid
SlurmdPidFile={at}/slurmd.pid
SlurmctldLogFile={at}/slurmctld.log
SlurmdLogFile={at}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
JobRequeue=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=100 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def cluster(at: Path, env: dict[str, str]) -> Iterator[str]:
    """Start a cluster whose files are in that directory, and yield the path of its configuration."""
    for name in ("ctld", "d"):
        (at / name).mkdir(parents=True)
    at.chmod(0o755)
    ports = free_ports()
    values = {
        "host": socket.gethostname().partition(".")[0],
        "at": at,
        "user": pwd.getpwuid(os.getuid()).pw_name,
    }
    conf = at / "slurm.conf"
    conf.write_text(CONF.format(**values, first_port=ports[0], second_port=ports[1]))
    (at / "munge.key").write_bytes(os.urandom(128))
    (at / "munge.key").chmod(0o600)
    munged = [
        f"--{name}={at}/munge.{name.partition('-')[0]}"
        for name in ("key-file", "socket", "pid-file", "seed-file")
    ]
    env = {**env, "SLURM_CONF": str(conf)}
    try:
        for line in (
            ["munged", "--force", *munged, f"--log-file={at}/munge.log"],
            ["slurmctld", "-c"],
            ["slurmd"],
        ):
            subprocess.run(line, env=env, check=True, capture_output=True, timeout=HUNG)
        state = ["sinfo", "-h", "-o", "%T"]
        until(
            lambda: (
                subprocess.run(state, env=env, capture_output=True, check=False).stdout == b"idle\n"
            ),
            (at / "slurmctld.log").read_text,
        )
        yield str(conf)
    finally:
        for name in ("slurmd", "slurmctld", "munge"):
            with suppress(OSError, ValueError):
                os.kill(
                    int((at / f"{name}.pid").read_text()),
                    signal.SIGKILL if name == "slurmd" else signal.SIGTERM,
                )


def free_ports() -> list[int]:
    """Return two free ports."""
    sockets = [socket.socket() for _ in range(2)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
