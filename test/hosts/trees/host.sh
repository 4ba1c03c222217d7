# shellcheck shell=sh disable=SC2154
# A Debian 12 host with systemd and its Docker Engine, as people have it, to be booted in a container (nspawn-host.sh).
begin bookworm systemd,systemd-sysv,dbus,iproute2,udev,kmod,ca-certificates
add docker.io iptables curl libatomic1
in_tree systemctl enable systemd-networkd docker
in_tree systemctl mask systemd-networkd-wait-online getty@tty1 serial-getty@ttyS0 console-getty systemd-resolved
in_tree systemctl disable e2scrub_reap apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \
  e2scrub_all.timer
rm -f "$tree/etc/hostname"
: >"$tree/etc/machine-id"
mkdir -p "$tree/etc/docker" "$tree/release" "$tree/etc/systemd/system/sysinit.target.wants"
echo '{"live-restore":true}' >"$tree/etc/docker/daemon.json"
# Where the machine outside has control groups of version 1, the engine must be able to write its own.
cat >"$tree/etc/systemd/system/cgroup-rw.service" <<'X'
[Unit]
Description=The hierarchies of control groups, writable
ConditionPathIsDirectory=/sys/fs/cgroup/memory
DefaultDependencies=no
Before=sysinit.target docker.service containerd.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for c in memory cpuset pids freezer devices cpuacct cpu blkio; do mount -o remount,bind,rw /sys/fs/cgroup/$c; done'
X
ln -sf ../cgroup-rw.service "$tree/etc/systemd/system/sysinit.target.wants/"
