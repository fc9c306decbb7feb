#!/bin/sh
# Starts one node. A pod's address changes with each start: the node announces its own, and introduces itself to every peer that it
# does not know at the address it has now, so that even a cluster whose pods all went at once finds itself again.
set -eu
printf 'requirepass %s\nmasterauth %s\n' "$REDISCLI_AUTH" "$REDISCLI_AUTH" >/run/redis/auth.conf
(
  while sleep 5; do
    known=$(redis-cli cluster nodes 2>/dev/null) || continue
    for i in 0 1 2 3 4 5; do
      peer=$(getent hosts "redis-$i.redis-nodes" | cut -d' ' -f1) || continue
      [ -z "$peer" ] || printf '%s' "$known" | grep -qF " $peer:6379@" || redis-cli cluster meet "$peer" 6379 >/dev/null
    done
  done
) &
exec redis-server /etc/redis/redis.conf --cluster-announce-ip "$POD_IP" \
  --cluster-announce-hostname "$HOSTNAME.redis-nodes.tidemark-data.svc.cluster.local"
