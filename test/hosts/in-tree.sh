#!/bin/sh
# Runs a program of a file tree with that tree as its root: in-tree.sh TREE SHARED PROGRAM ARGUMENT...
# SHARED is a folder that is the same inside and outside. Call it in a mount namespace of its own; its mounts end with that.
# Not chroot: the engine remounts its root for each layer, which only a mount point can be.
set -eu
tree=$1
shared=$2
shift 2

mount --bind "$tree" "$tree"
cd "$tree"
mkdir -p ".$shared"
mount --rbind /sys sys
mount --rbind /dev dev
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount --bind "$shared" ".$shared"
# The root that was goes below /run, which is nobody else's.
mkdir run/outside
pivot_root . run/outside
cd /
umount -l /run/outside
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec "$@"
