#!/bin/sh
# Builds a Debian file tree for the tests' hosts by a recipe of trees/ and prints its folder: debian-tree.sh engine-26 | host | vm
# It is kept in ${XDG_CACHE_HOME:-~/.cache}/berth (BERTH_TEST_CACHE names another folder) and built again only when its
# recipe has changed. Needs root, debootstrap and the distribution's mirror. Words to the user go to standard error.
set -eu

name=${1:-}
here=$(dirname "$(readlink -f "$0")")
cache=${BERTH_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/berth}
place=$cache/$name
tree=$place.new/tree

say() { printf '%s\n' "$*" >&2; }
die() {
  printf 'debian-tree.sh: %s\n' "$*" >&2
  exit 1
}

# The machine's own mirror, where it is Debian's.
mirror() {
  # shellcheck disable=SC2016 # apt's own variable
  site=$(apt-get indextargets --format '$(SITE)' 2>/dev/null | grep '/debian/*$' | sort -u | head -n 1)
  printf '%s' "${site:-http://deb.debian.org/debian}"
}

# quietly COMMAND...: its hundreds of lines are shown only when it fails.
quietly() {
  code=0
  "$@" </dev/null >"$place.log" 2>&1 || code=$?
  [ "$code" = 0 ] || {
    tail -n 30 "$place.log" >&2
    die "this failed (exit $code, all of it in $place.log): $*"
  }
}

# begin SUITE PACKAGES: the smallest system, with services that do not start while packages are installed.
begin() {
  quietly debootstrap --variant=minbase --include="$2" "$1" "$tree" "$(mirror)"
  cp /etc/resolv.conf "$tree/etc/resolv.conf"
  printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
  chmod +x "$tree/usr/sbin/policy-rc.d"
  # Nobody needs what a power cut would leave of a tree that is still being built.
  echo force-unsafe-io >"$tree/etc/dpkg/dpkg.cfg.d/unsafe-io"
  mount -t proc proc "$tree/proc"
}

in_tree() { quietly chroot "$tree" env PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
add() { in_tree apt-get install -y -q --no-install-recommends "$@"; }

finish() {
  umount "$tree/proc"
  in_tree apt-get clean
  rm -rf "$tree/usr/sbin/policy-rc.d" "$tree/etc/dpkg/dpkg.cfg.d/unsafe-io" "$tree"/var/lib/apt/lists/* "$place.log"
}

recipe=$here/trees/$name.sh
[ -f "$recipe" ] || die "there is no recipe $recipe"

mkdir -p "$cache"
exec 9>"$place.lock"
flock 9
if ! cat "$here/debian-tree.sh" "$recipe" | cmp -s - "$place/recipe"; then
  [ "$(id -u)" = 0 ] || die 'only root can build it'
  command -v debootstrap >/dev/null || die 'debootstrap is missing: bin/dependencies test'
  say "Building the tree $name in $place (once; about a minute) ..."
  trap 'if mountpoint -q "$tree/proc"; then umount "$tree/proc"; fi' EXIT
  rm -rf --one-file-system "$place.new" "$place"
  mkdir -p "$place.new"
  # shellcheck source=/dev/null
  . "$recipe"
  finish
  cat "$here/debian-tree.sh" "$recipe" >"$place.new/recipe"
  mv "$place.new" "$place"
fi
printf '%s\n' "$place"
