#!/bin/sh
# Makes six new nodes one cluster of three primaries with a replica each. On a cluster that is formed it does nothing.
set -eu
node() { n=$1; shift; redis-cli -h "redis-$n.redis-nodes" "$@"; }
say() { node 0 cluster info | tr -d '\r' | sed -n "s/^$1://p"; }
until [ "$(say cluster_known_nodes)" -ge 6 ]; do sleep 2; done
if [ "$(say cluster_slots_assigned)" -eq 0 ]; then
  node 0 cluster addslotsrange 0 5460
  node 1 cluster addslotsrange 5461 10922
  node 2 cluster addslotsrange 10923 16383
fi
until [ "$(say cluster_state)" = ok ]; do sleep 2; done
if [ "$(node 0 cluster nodes | grep -c ' slave \| myself,slave ')" -eq 0 ]; then
  for i in 0 1 2; do
    until node $((i + 3)) cluster replicate "$(node $i cluster myid)"; do sleep 2; done
  done
fi
node 0 cluster nodes
