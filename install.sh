#!/bin/sh
# Installs what Berth needs, or Berth itself, on this machine. Safe to run again: it does what is missing.
set -eu

root=$(dirname "$(readlink -f "$0")")
prefix=/opt/berth
settings=/etc/berth

usage() {
  cat <<'TEXT'
Usage: ./install.sh WHAT

  --libraries           what the program's Node.js needs of the system: libatomic (Debian, Ubuntu)
  --engine              a Docker Engine, from the distribution's packages (Debian, Ubuntu)
  --test-dependencies   the programs that the tests run: postgresql, awscli, busybox-static, debootstrap (Debian, Ubuntu)
  --vm-dependencies     the programs that `npm run test:vm` runs: debootstrap, busybox-static, qemu, an ssh client (Debian, Ubuntu)
  --control             the control service, from this clone, as the systemd service berth-control
  --agent [--control-url URL] [--token-file FILE]
                        the agent, from this clone, as the systemd service berth-agent. URL is the control service's
                        (default ws://127.0.0.1:4566/agent), FILE holds its agent token (default: that of a control
                        service on this machine, /var/lib/berth/agent-token)
  --uninstall           removes the services and the program; keeps settings and data, and touches no container
  --help                this text

--control and --agent copy the program to /opt/berth, write settings to /etc/berth/control.env and agent.env (unless
they exist), and start the services. Run them again from a newer clone to upgrade. No container is stopped by that.
TEXT
}

say() { printf '%s\n' "$*"; }
die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

# --- packages of the distribution -------------------------------------------------------------------------------------

on_debian() { command -v apt-get >/dev/null && [ -f /etc/debian_version ]; }

# need_packages WHY PACKAGE...: says what is missing where it may not be installed, and ends there.
need_packages() {
  why=$1
  shift
  on_debian || die "$why. This distribution is not known here; install what it calls: $*"
  [ "$(id -u)" = 0 ] || die "$why. Only root may install packages; run: apt-get install $*"
}

has_package() { [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | cut -c2)" = i ]; }

# Its hundreds of lines are shown only when it fails.
apt() {
  apt_log=$(mktemp)
  code=0
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
    apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null >"$apt_log" 2>&1 || code=$?
  [ "$code" = 0 ] || tail -n 40 "$apt_log" >&2
  rm -f "$apt_log"
  return "$code"
}

apt_update() {
  say 'Reading the package lists (apt-get update) ...'
  apt update || say 'apt-get update failed in part; going on with the lists there are.'
}

apt_install() {
  say "Installing with apt-get: $* ..."
  apt install -y --no-install-recommends "$@" || die "apt-get could not install: $* (see above)"
}

install_libraries() {
  if has_libatomic; then return; fi
  need_packages 'Node.js needs the library libatomic' libatomic1
  apt_update
  apt_install libatomic1
}

has_libatomic() {
  ldconfig -p 2>/dev/null | grep -q 'libatomic\.so\.1 ' && return
  # Where the linker keeps no such list.
  for library in /lib/libatomic.so.1 /usr/lib/libatomic.so.1 /lib/*/libatomic.so.1 /usr/lib*/libatomic.so.1; do
    [ -e "$library" ] && return
  done
  return 1
}

install_engine() {
  if command -v dockerd >/dev/null; then
    say 'A Docker Engine is installed.'
    return
  fi
  need_packages 'There is no Docker Engine' docker.io
  apt_update
  set -- docker.io ca-certificates
  # Newer distributions ship the command `docker` apart.
  if apt-cache show docker-cli >/dev/null 2>&1; then set -- "$@" docker-cli; fi
  # With AppArmor in the kernel the engine loads a profile for each container and needs its parser.
  if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then set -- "$@" apparmor; fi
  apt_install "$@"
  command -v dockerd >/dev/null || die 'docker.io is installed, but there is no dockerd'
}

install_test_dependencies() {
  missing=
  has_postgresql || missing="$missing postgresql"
  command -v aws >/dev/null || missing="$missing awscli"
  has_static_busybox || missing="$missing busybox-static"
  has_debootstrap || missing="$missing debootstrap debian-archive-keyring"
  [ -n "$missing" ] || return 0
  # shellcheck disable=SC2086 # a list of words
  need_packages "The tests need programs that are missing" $missing
  apt_update
  case $missing in
    *postgresql*)
      # The tests start servers of their own: the package shall not start one for the machine.
      if ! has_package postgresql-common; then
        apt_install postgresql-common
        sed -i 's/^#*create_main_cluster .*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
      fi
      ;;
  esac
  # shellcheck disable=SC2086
  apt_install $missing
}

install_vm_dependencies() {
  missing=
  has_static_busybox || missing="$missing busybox-static"
  has_debootstrap || missing="$missing debootstrap debian-archive-keyring"
  command -v qemu-system-x86_64 >/dev/null || missing="$missing qemu-system-x86"
  command -v qemu-img >/dev/null || missing="$missing qemu-utils"
  command -v ssh >/dev/null || missing="$missing openssh-client"
  command -v ip >/dev/null || missing="$missing iproute2"
  [ -n "$missing" ] || return 0
  # shellcheck disable=SC2086 # a list of words
  need_packages 'The tests on a virtual machine need programs that are missing' $missing
  apt_update
  # shellcheck disable=SC2086
  apt_install $missing
}

# Debian trees are checked by Debian's keys, which other distributions bring apart.
has_debootstrap() {
  command -v debootstrap >/dev/null && [ -e /usr/share/keyrings/debian-archive-keyring.gpg ]
}

has_postgresql() {
  command -v initdb >/dev/null && return
  for program in /usr/lib/postgresql/*/bin/initdb; do
    [ -x "$program" ] && return
  done
  return 1
}

# In a container image of the tests there is nothing but this program, so it must need no library.
has_static_busybox() {
  program=$(command -v busybox) || return 1
  if on_debian; then has_package busybox-static; return; fi
  if ldd "$program" >/dev/null 2>&1; then return 1; fi
}

# --- the program as services ------------------------------------------------------------------------------------------

need_systemd_and_root() {
  [ "$(id -u)" = 0 ] || die 'only root may install services'
  [ -d /run/systemd/system ] || die 'systemd does not run on this machine; start berth control and berth agent by what does'
}

# Copies the program, built from this clone, and the Node that came with the clone to /opt/berth.
install_program() {
  node=$root/node_modules/node/bin/node
  [ -x "$node" ] || die "the packages of this clone are missing; run in $root: npm ci"
  install_libraries
  say "Installing the program to $prefix ..."
  rm -rf "$prefix.new"
  mkdir -p "$prefix.new/bin"
  "$node" "$root/bin/build.ts" || die 'the program could not be built; what was installed before is as it was'
  cp -R "$root/dist" "$root/LICENSE" "$prefix.new/"
  # The built files are ES modules, and say so.
  printf '{ "type": "module" }\n' >"$prefix.new/package.json"
  cp "$root/bin/berth" "$prefix.new/bin/berth"
  cp "$node" "$prefix.new/bin/node"
  chmod -R u=rwX,go=rX "$prefix.new"
  rm -rf "$prefix.old"
  [ ! -d "$prefix" ] || mv "$prefix" "$prefix.old"
  mv "$prefix.new" "$prefix"
  rm -rf "$prefix.old"
  ln -sf "$prefix/bin/berth" /usr/local/bin/berth
}

# start_service NAME: the unit from systemd/, enabled, and running what is installed now.
start_service() {
  cp "$root/systemd/$1.service" "/etc/systemd/system/$1.service"
  systemctl daemon-reload
  systemctl enable -q "$1.service"
  systemctl restart "$1.service"
  # A program that cannot start ends within moments; say so here instead of leaving it to the journal.
  sleep 2
  systemctl is-active -q "$1.service" || {
    journalctl -u "$1" -n 20 --no-pager >&2 || :
    die "$1 does not start; its last log lines are above"
  }
  say "$1 runs (journalctl -u $1)."
}

install_control() {
  need_systemd_and_root
  install_program
  id berth >/dev/null 2>&1 ||
    useradd --system --user-group --no-create-home --home-dir /var/lib/berth --shell /usr/sbin/nologin berth
  mkdir -p "$settings"
  if [ ! -e "$settings/control.env" ]; then
    cat >"$settings/control.env" <<'TEXT'
# Settings of berth-control; the commented ones show the defaults. Apply with: systemctl restart berth-control
BERTH_HOME=/var/lib/berth
#BERTH_LISTEN=127.0.0.1:4566
#BERTH_STORE=sqlite:/var/lib/berth/control.sqlite
#BERTH_REGION=us-east-1
#BERTH_ACCOUNT_ID=000000000000
#BERTH_LOG_LEVEL=info
TEXT
    chown root:berth "$settings/control.env"
    chmod 0640 "$settings/control.env"
  fi
  start_service berth-control
  # Both services run from one copy of the program, which was just replaced.
  systemctl try-restart berth-agent.service 2>/dev/null || :
  say 'The access key is in /var/lib/berth/admin-credentials.json, the token for agents in /var/lib/berth/agent-token.'
  say 'It listens on this machine only; agents on others need BERTH_LISTEN in /etc/berth/control.env (and a trusted network).'
}

# install_agent CONTROL_URL TOKEN_FILE; empty: keep what is set, else the defaults.
install_agent() {
  need_systemd_and_root
  [ -z "$2" ] || [ -r "$2" ] || die "there is no token in $2"
  command -v dockerd >/dev/null || say 'Note: no Docker Engine is installed; the agent waits for one (./install.sh --engine).'
  install_program
  mkdir -p "$settings"
  if [ ! -e "$settings/agent.env" ]; then
    cat >"$settings/agent.env" <<'TEXT'
# Settings of berth-agent; the commented ones show the defaults. Apply with: systemctl restart berth-agent
BERTH_CONTROL_URL=ws://127.0.0.1:4566/agent
BERTH_AGENT_TOKEN_FILE=/var/lib/berth/agent-token
ECS_DATADIR=/var/lib/berth-agent
#ECS_CLUSTER=default
#ECS_INSTANCE_ATTRIBUTES={}
#ECS_RESERVED_MEMORY=0
#ECS_LOGLEVEL=info
TEXT
    chmod 0600 "$settings/agent.env"
  fi
  [ -z "$1" ] || set_in "$settings/agent.env" BERTH_CONTROL_URL "$1"
  if [ -n "$2" ]; then
    [ "$(readlink -f "$2")" = "$settings/agent-token" ] || install -m 0600 "$2" "$settings/agent-token"
    set_in "$settings/agent.env" BERTH_AGENT_TOKEN_FILE "$settings/agent-token"
  fi
  start_service berth-agent
  systemctl try-restart berth-control.service 2>/dev/null || :
}

# set_in FILE NAME VALUE: one line NAME=VALUE, in place of the one that is there.
set_in() {
  grep -v "^$2=" "$1" >"$1.new" || :
  printf '%s=%s\n' "$2" "$3" >>"$1.new"
  chmod 0600 "$1.new"
  mv "$1.new" "$1"
}

uninstall() {
  [ "$(id -u)" = 0 ] || die 'only root may remove services'
  for service in berth-agent berth-control; do
    [ -e "/etc/systemd/system/$service.service" ] || continue
    systemctl disable -q --now "$service.service" || :
    rm -f "/etc/systemd/system/$service.service"
    say "$service is removed."
  done
  [ ! -d /run/systemd/system ] || systemctl daemon-reload
  if [ "$(readlink /usr/local/bin/berth 2>/dev/null)" = "$prefix/bin/berth" ]; then rm -f /usr/local/bin/berth; fi
  rm -rf "$prefix" "$prefix.new" "$prefix.old"
  say 'Containers go on running. Settings (/etc/berth) and data (/var/lib/berth, /var/lib/berth-agent) are kept;'
  say 'remove them, and the user berth, by hand when nobody needs them any more.'
}

# --- what was asked for -----------------------------------------------------------------------------------------------

[ $# -gt 0 ] || {
  usage >&2
  exit 2
}
what=$1
shift
control_url=
token_file=
if [ "$what" = --agent ]; then
  while [ $# -gt 1 ]; do
    case $1 in
      --control-url) control_url=$2 ;;
      --token-file) token_file=$2 ;;
      *) break ;;
    esac
    shift 2
  done
fi
[ $# -eq 0 ] || die "'$1' is not understood here; see ./install.sh --help"
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

case $what in
  --libraries) install_libraries ;;
  --engine) install_engine ;;
  --test-dependencies) install_test_dependencies ;;
  --vm-dependencies) install_vm_dependencies ;;
  --control) install_control ;;
  --agent) install_agent "$control_url" "$token_file" ;;
  --uninstall) uninstall ;;
  --help | -h) usage ;;
  *) die "'$what' is not understood; see ./install.sh --help" ;;
esac
