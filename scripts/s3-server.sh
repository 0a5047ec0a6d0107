#!/usr/bin/env bash
# A real S3 server for the tests: Ceph's object gateway over a monitor and one in-memory OSD, on loopback only,
# as any user, with nothing installed.
#
#   scripts/s3-server.sh GATEWAY_PORT MONITOR_PORT
#
# Prints one line of JSON, {"endpoint":…,"accessKey":…,"secretKey":…,"region":…} or {"skipped":"why"}, and serves until
# its stdin ends: the kernel closes a pipe for whoever dies, however it dies. Nothing that was stored outlives it.
# The packages come from where this machine's apt gets its own, and are unpacked into the user's cache once.
set -u
gateway_port=${1:?the port of the gateway} monitor_port=${2:?the port of the monitor}
project=$(cd "$(dirname "$0")/.." && pwd)

serve() {
  [ "$(uname -sm)" = "Linux x86_64" ] || skip "it runs on Linux on x86-64 only"
  cache=$(writable_cache) || skip "no folder for its packages is writable"
  tree=$cache/radosgw
  [ -d "$tree" ] || fetch 9>"$cache/radosgw.lock"
  loader=("$tree/lib/ld-linux-x86-64.so.2" --library-path "$tree/lib:$tree/lib/ceph")
  access_key=$(random_hex 10) secret_key=$(random_hex 20)
  start 3>&1 >"$data/start.log" 2>&1
  printf '{"endpoint":"http://127.0.0.1:%s","accessKey":"%s","secretKey":"%s","region":"us-east-1"}\n' \
    "$gateway_port" "$access_key" "$secret_key"
  wait -n # for the first of the three to end, which none should
}

skip() {
  printf '{"skipped":"%s"}\n' "$(tr -d '"\\\n\t' <<<"$1")"
  exit 1
}

writable_cache() {
  local folder
  for folder in "${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/reelq" "$project/.reelq/cache"; do
    mkdir -p "$folder" 2>/dev/null && [ -w "$folder" ] && echo "$folder" && return
  done
  return 1
}

# Complete or not there: what a killed run left half done is never taken for the tree.
fetch() {
  local tool
  for tool in apt-get dpkg-deb flock; do
    [ -x "$(command -v $tool)" ] || skip "it needs $tool to get Ceph's packages"
  done
  flock 9
  [ -d "$tree" ] && return
  echo "s3-server: fetching Ceph's packages, about 130 MB, this once" >&2
  rm -rf "$cache"/radosgw.new.*
  new=$(mktemp -d "$cache/radosgw.new.XXXXXX")
  if ! { download && unpack; } >"$new/log" 2>&1; then
    reason=$(grep -m1 -E '^(W: Failed|E:)' "$new/log")
    rm -rf "$new"
    skip "Ceph's packages could not be had: ${reason:-they could not be unpacked}"
  fi
  mv "$new/tree" "$tree"
  rm -rf "$new"
}

# An empty status makes apt bring every library down to libc, so that the host's own do not matter.
download() {
  local options=(-q -y -o Dir::State="$new" -o Dir::State::lists="$new/lists" -o Dir::State::status="$new/status"
    -o Dir::Cache="$new" -o Dir::Cache::archives="$new/archives" -o APT::Sandbox::User="$(id -un)"
    -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20)
  mkdir -p "$new"/{lists,archives}/partial && : >"$new/status"
  apt-get "${options[@]}" update &&
    apt-get "${options[@]}" install --download-only --no-install-recommends radosgw ceph-mon ceph-osd
}

# Debian 12 still has libraries in /lib, later releases have all of them in /usr/lib.
unpack() {
  local package folder
  mkdir -p "$new"/{root,tree/bin,tree/lib}
  for package in "$new"/archives/*.deb; do dpkg-deb -x "$package" "$new/root" || return; done
  for folder in "$new"/root/{,usr/}lib/x86_64-linux-gnu; do
    [ ! -d "$folder" ] || cp -a "$folder/." "$new/tree/lib" || return
  done
  mv "$new"/root/usr/bin/{ceph-mon,ceph-osd,monmaptool,osdmaptool,radosgw,radosgw-admin} "$new/tree/bin"
}

start() {
  local cluster=$(</proc/sys/kernel/random/uuid)
  listens && echo "port $gateway_port is taken" && failed
  export CEPH_CONF=$data/ceph.conf
  configuration "$cluster" >"$CEPH_CONF"
  # The first map already holds the OSD, so no monitor command has to be sent, nor Python brought to send it.
  run monmaptool --create --addv a "[v2:127.0.0.1:$monitor_port/0]" --fsid "$cluster" "$data/monmap" &&
    run osdmaptool --createsimple 1 "$data/osdmap" &&
    run ceph-mon --mkfs -i a --monmap "$data/monmap" --osdmap "$data/osdmap" &&
    run ceph-osd --mkfs -i 0 --no-mon-config --osd-uuid "$(</proc/sys/kernel/random/uuid)" || failed
  run ceph-mon -f -i a &
  run ceph-osd -f -i 0 &
  timeout --foreground 90 "${loader[@]}" "$tree/bin/radosgw-admin" user create --uid=tests --display-name=tests \
    --access-key="$access_key" --secret-key="$secret_key" || failed
  run radosgw -f --rgw-frontends="beast endpoint=127.0.0.1:$gateway_port" &
  until_listening $! || failed
}

run() { "${loader[@]}" "$tree/bin/$1" "${@:2}"; }

random_hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

until_listening() {
  local deadline=$((SECONDS + 90))
  until listens; do
    kill -0 "$1" && [ "$SECONDS" -lt "$deadline" ] || return
    sleep 0.1
  done
}

listens() { (: <>"/dev/tcp/127.0.0.1/$gateway_port") 2>/dev/null; }

failed() { skip "Ceph did not start: $(tail -qn 1 "$data/start.log" | cut -c1-300)" >&3; }

configuration() {
  cat <<END
[global]
fsid = $1
mon_host = [v2:127.0.0.1:$monitor_port/0]
ms_bind_msgr1 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
# The gateway's own default, secure, wants keys.
ms_mon_client_mode = crc
admin_socket =
log_file = $data/\$type.log
mon_cluster_log_file = $data/cluster.log
mon_data = $data/mon
osd_data = $data/osd
plugin_dir = $tree/lib/ceph
erasure_code_dir = $tree/lib/ceph/erasure-code
osd_class_dir = $tree/lib/rados-classes
osd_objectstore = memstore
memstore_device_bytes = 8589934592
osd_pool_default_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_data_avail_crit = 0
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
# The memory of deleted objects comes back soon.
rgw_gc_obj_min_wait = 5
rgw_gc_processor_period = 5
END
}

data=$(mktemp -d) || skip "no temporary folder can be made"
mkdir "$data"/{mon,osd}
set -m # A process group for each job, so that one kill ends all of it; `timeout` stays in it by --foreground.
serve </dev/null &
server=$!
cat >/dev/null &
reader=$!
trap 'exec 2>/dev/null; kill -KILL -- -$server; kill -KILL -- -$reader; rm -rf "$data"' EXIT
trap 'exit 1' HUP INT TERM
wait -n
