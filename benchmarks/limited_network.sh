#!/usr/bin/env bash
# Measures `distributed.py` with one rank in each of several network namespaces, which a link of limited bandwidth connects.
#
#   sudo benchmarks/limited_network.sh 100mbit 4
#
# Needs Linux, root, iproute2 and MPICH; the Python in front is the first `python` of the path.
set -euo pipefail
rate=$1 ranks=$2
python=$(command -v python)
here=$(cd "$(dirname "$0")" && pwd)

remove() {
    for i in $(seq 0 $((ranks - 1))); do ip netns del "rank$i" 2>/dev/null || true; done
    ip link del ranks 2>/dev/null || true
}
trap remove EXIT
remove
ip link add ranks type bridge
ip link set ranks up
commands=()
for i in $(seq 0 $((ranks - 1))); do
    ip netns add "rank$i"
    ip link add "port$i" type veth peer name link0 netns "rank$i"
    ip link set "port$i" master ranks up
    ip -n "rank$i" addr add "10.9.0.$((i + 1))/24" dev link0
    ip -n "rank$i" link set link0 up
    ip -n "rank$i" link set lo up
    tc -n "rank$i" qdisc add dev link0 root tbf rate "$rate" burst 256kb latency 50ms
    [ "$i" = 0 ] || commands+=(:)
    commands+=(-n 1 ip netns exec "rank$i" "$python" "$here/distributed.py")
done
sleep 3 # until the bridge forwards packets
# Only TCP on this link: on one machine MPI would use shared memory.
export UCX_TLS=tcp,self UCX_NET_DEVICES=link0 MPIR_CVAR_NOLOCAL=1
mpiexec "${commands[@]}"
