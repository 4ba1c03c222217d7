# shellcheck shell=sh disable=SC2154
# What bin/start, bin/stop and bin/test share: the clone, its state folder, its packages, words to the user.
# They source this file after `set -eu` and with $root set to the clone.

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
node=$root/node_modules/.bin/node

say() { printf '%s\n' "$*"; }
die() {
  printf 'berth: %s\n' "$*" >&2
  exit 1
}

# Everything that is remembered between `npm start` and `npm stop`; absolute, because daemons inherit it.
BERTH_HOME=${BERTH_HOME:-$root/.berth}
case $BERTH_HOME in /*) ;; *) BERTH_HOME=$PWD/$BERTH_HOME ;; esac
export BERTH_HOME

# Installs the packages of package-lock.json unless they are there. The system's Node only fetches them: the engine
# warnings it deserves are about a program that it will not run.
ensure_packages() {
  if packages_match; then return; fi
  sh "$root/install.sh" --libraries
  if packages_match; then return; fi
  # npm ci empties the folder first, and would empty that of somebody else.
  [ ! -L "$root/node_modules" ] || die "node_modules is a link, and what it leads to is not what package-lock.json says"
  command -v npm >/dev/null || die 'npm is needed to install the packages: install Node.js 20 or later with npm'
  say 'Installing packages (npm ci) ...'
  # What it prints on standard output is the echo of scripts and a count.
  (cd "$root" && npm ci --loglevel=error --no-audit --no-fund >/dev/null) || die 'npm ci failed; see above'
  "$node" --version >/dev/null ||
    die "npm ci did not bring a Node that runs here ($node); does the package 'node' support this machine?"
}

# A Node that is there and does not run (its library is missing) is no match.
packages_match() { [ -x "$node" ] && "$node" "$root/bin/packages-match.ts" "$root" 2>/dev/null; }
