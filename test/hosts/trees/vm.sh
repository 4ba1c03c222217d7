# shellcheck shell=sh disable=SC2154
# A Debian 12 host with systemd and its Docker Engine, and the kernel to boot it.
begin bookworm systemd,systemd-sysv,dbus,iproute2,udev,kmod,ca-certificates
add initramfs-tools lz4 busybox docker.io apparmor iptables nftables openssh-server curl libatomic1
# Only the drivers of the emulated machine: it reads its disk slowly.
sed -i 's/^MODULES=.*/MODULES=list/;s/^COMPRESS=.*/COMPRESS=lz4/' "$tree/etc/initramfs-tools/initramfs.conf"
printf '%s\n' virtio_pci virtio_blk virtio_net ext4 >>"$tree/etc/initramfs-tools/modules"
add linux-image-cloud-amd64
in_tree systemctl enable systemd-networkd docker ssh
in_tree systemctl mask systemd-networkd-wait-online getty@tty1 serial-getty@ttyS0
in_tree systemctl disable e2scrub_reap apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \
  e2scrub_all.timer
rm -f "$tree/etc/hostname" "$tree/etc/resolv.conf"
: >"$tree/etc/machine-id"
mkdir -p "$tree/etc/docker" "$tree/root/.ssh"
echo '{"live-restore":true}' >"$tree/etc/docker/daemon.json"
ssh-keygen -q -t ed25519 -N '' -C berth-test -f "$place.new/key"
install -m 0600 "$place.new/key.pub" "$tree/root/.ssh/authorized_keys"
chmod 0700 "$tree/root/.ssh"
# A second disk brings what is tested, so that the first one stays the same for all runs.
mkdir -p "$tree/release"
echo '/dev/vdb /release ext4 ro,nofail 0 0' >>"$tree/etc/fstab"
