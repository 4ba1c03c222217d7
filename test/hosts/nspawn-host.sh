#!/bin/sh
# A whole host (systemd, journald, its Docker Engine) in a container of systemd-nspawn, from a Debian tree that stays as it is:
#   nspawn-host.sh TREE FOLDER NAME NAMESPACE RELEASE
# FOLDER: its disk. NAMESPACE: its network, made before. RELEASE: a folder that it sees as /release. Needs root. Runs until the host is powered off, and
# boots it again when it reboots; SIGTERM is the power button. Call it in a mount namespace of its own. Leaves no control group.
set -eu
tree=$1 folder=$2 name=$3 namespace=$4 release=$5

hierarchies() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then return; fi
  find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d
}

# Deepest first; what the host's services had is empty by then.
# shellcheck disable=SC2317 # the trap calls it
tidy() {
  trap - EXIT
  for hierarchy in $(hierarchies); do
    echo $$ >"$hierarchy/cgroup.procs" || :
    find "$hierarchy/$name" -depth -type d -exec rmdir {} + 2>/dev/null || :
  done
}
trap tidy EXIT

mkdir -p "$folder/upper" "$folder/work" "$folder/root" "$folder/docker" "$folder/containerd"
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
for hierarchy in $(hierarchies); do
  mkdir -p "$hierarchy/$name"
  if [ -e "$hierarchy/cpuset.cpus" ]; then
    cat "$hierarchy/cpuset.cpus" >"$hierarchy/$name/cpuset.cpus"
    cat "$hierarchy/cpuset.mems" >"$hierarchy/$name/cpuset.mems"
  fi
  echo $$ >"$hierarchy/$name/cgroup.procs"
done
# nspawn removes its files there only where they are on no disk.
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn

export SYSTEMD_NSPAWN_API_VFS_WRITABLE=1
pid=
trap 'kill -RTMIN+4 "$(cat "/proc/$pid/task/$pid/children")" 2>/dev/null || :' TERM
while :; do
  # The engine's storage does not go on an overlay. Without a terminal, which is not asked for.
  systemd-nspawn -q -D "$folder/root" -M "$name" --hostname="$name" --boot --register=no --keep-unit --capability=all \
    --system-call-filter='@keyring bpf' --network-namespace-path="/run/netns/$namespace" --console=pipe \
    --bind="$folder/docker:/var/lib/docker" --bind="$folder/containerd:/var/lib/containerd" --bind-ro="$release:/release" \
    </dev/null &
  pid=$!
  echo "$pid" >"$folder/pid"
  code=0
  while kill -0 "$pid" 2>/dev/null; do
    code=0
    wait "$pid" || code=$?
  done
  # 133: it asks for a reboot.
  [ "$code" = 133 ] || exit "$code"
done
