#!/bin/sh
# Installs Berth on this machine as systemd services: the control service, an agent, or both. Needs root, systemd and glibc, nothing of Node.
# Safe to run again: it does what is missing, and upgrades. No container is stopped by it, but for --uninstall --purge.
# A host needs this file alone: the executable comes from the control service that it joins, over TLS, checked against SHA256SUMS.
set -eu

prefix=/opt/berth
settings=/etc/berth
control_data=/var/lib/berth
agent_data=/var/lib/berth-agent
units=/etc/systemd/system
# Below which Node's binary does not start.
least_glibc=2.28
least_free_mb=500

usage() {
  cat <<'TEXT'
Usage: install.sh WHAT... [OPTION]...

What:
  --control             the control service, as berth-control.service under the user berth
  --join URL            an agent, as berth-agent.service, of the control service at URL (https://HOST:4567). The command that
                        `berth instance invite` prints has the options that go with it:
    --ca-fingerprint sha256:HEX     the fingerprint of control's authority; nothing is taken from another one
    --activation-id ID              the activation. Its code is asked for, or taken from the variable BERTH_ACTIVATION_CODE
    --activation-code-file FILE     or from FILE; - is standard input
  --agent               an agent of the control service on this very machine; with --control: both
  --engine              a Docker Engine, where there is none, from the distribution's packages (Debian, Ubuntu, Fedora)
  --libraries           what the executable needs of the system: libatomic
  --uninstall           removes services and program; containers go on running, settings and data are kept
    --purge                         also Berth's containers, networks, settings and data, and the user berth

Options:
  --from FOLDER|URL     where the executable and SHA256SUMS are: by default beside this file, in the clone that this file belongs to
                        (which is built), or, for --join, at the control service
  --listen ADDRESS      for --control: where other machines reach it over TLS (0.0.0.0:4567)
  --name NAME           for --control: another name or address by which they do; may be repeated
  --dry-run             say what would be done, and do nothing
  --help                this text

Settings are in /etc/berth/control.env and agent.env, which are kept when they are there. Preflight: berth doctor.
TEXT
}

say() { printf '%s\n' "$*"; }
warn() { printf 'install.sh: %s\n' "$*" >&2; }
die() {
  warn "$*"
  exit 1
}
wrong_usage() {
  warn "$*; see install.sh --help"
  exit 2
}

# act COMMAND...: runs it, or only says so.
act() {
  if [ "$dry_run" = yes ]; then say "would run: $*"; else "$@"; fi
}

# put FILE MODE OWNER: standard input becomes the file, whole or not at all.
put() {
  if [ "$dry_run" = yes ]; then
    say "would write: $1 (mode $2, $3)"
    cat >/dev/null
    return
  fi
  (umask 077 && cat >"$1.new")
  chown "$3" "$1.new"
  chmod "$2" "$1.new"
  mv "$1.new" "$1"
}

# folder PATH MODE OWNER
folder() { [ -d "$1" ] || act install -d -m "$2" -o "${3%:*}" -g "${3#*:}" "$1"; }

# --- what this machine is ---------------------------------------------------------------------------------------------

detect() {
  # shellcheck disable=SC1091 # the system's own
  distribution=$( (. /etc/os-release && printf '%s' "${PRETTY_NAME:-$ID}") 2>/dev/null || printf 'unknown')
  # shellcheck disable=SC1091
  families=$( (. /etc/os-release && printf '%s %s' "$ID" "${ID_LIKE:-}") 2>/dev/null || :)
  case $(uname -m) in
    x86_64 | amd64) platform=linux-x64 ;;
    aarch64 | arm64) platform=linux-arm64 ;;
    *) platform= ;;
  esac
  packages=
  for family in $families; do
    case $family in
      debian | ubuntu) packages=${packages:-apt} ;;
      fedora) packages=${packages:-dnf} ;;
    esac
  done
  if [ -d /run/systemd/system ]; then systemd=yes; else systemd=no; fi
  case $(stat -fc %T /sys/fs/cgroup 2>/dev/null) in
    cgroup2fs) cgroups=2 ;;
    tmpfs) cgroups=1 ;;
    *) cgroups=none ;;
  esac
  if command -v dockerd >/dev/null; then engine=$(dockerd --version 2>/dev/null || printf 'dockerd'); else engine=none; fi
}

tell_machine() {
  say "Machine: $distribution, $(uname -m), kernel $(uname -r), systemd: $systemd, cgroups: version $cgroups, Docker Engine: $engine"
}

# at_least VERSION LEAST
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

require_host() {
  [ -n "$platform" ] || refuse "there is no executable for $(uname -m): machines are x86_64 or aarch64"
  glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d ' ' -f 2)
  if [ -z "$glibc" ]; then
    refuse "$distribution has no glibc, which the executable needs (Alpine's musl will not do): install Berth on Debian, Ubuntu or Fedora"
  elif ! at_least "$glibc" "$least_glibc"; then
    refuse "the executable needs glibc $least_glibc, and this is $glibc"
  fi
  [ "$systemd" = yes ] || refuse 'systemd does not run on this machine; run berth control and berth agent under what does (docs/install.md)'
  [ "$cgroups" != none ] || refuse 'there are no control groups at /sys/fs/cgroup; containers need them'
  require_root
  free=$(df -Pm /opt 2>/dev/null | awk 'NR == 2 { print $4 }')
  [ "${free:-$least_free_mb}" -ge "$least_free_mb" ] || refuse "the program needs $least_free_mb MB in $prefix, and $free MB are free"
}

# What keeps this machine from being a host: the end, and in a dry run one more line.
refuse() {
  [ "$dry_run" = yes ] || die "$*"
  say "would stop here: $*"
}

require_root() { [ "$(id -u)" = 0 ] || [ "$dry_run" = yes ] || die 'only root may do that: run it with sudo'; }

# --- packages of the distribution -------------------------------------------------------------------------------------

# Their hundreds of lines are shown only when they fail.
quietly() {
  quiet_log=$(mktemp)
  code=0
  "$@" </dev/null >"$quiet_log" 2>&1 || code=$?
  [ "$code" = 0 ] || tail -n 40 "$quiet_log" >&2
  rm -f "$quiet_log"
  return "$code"
}

apt() {
  quietly env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
    apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# add_packages WHY PACKAGE...
add_packages() {
  why=$1
  shift
  if [ "$dry_run" = yes ]; then
    say "would install with $packages: $*"
    return
  fi
  [ "$(id -u)" = 0 ] || die "$why. Only root may install packages: $*"
  say "Installing with $packages: $* ..."
  case $packages in
    apt)
      apt update || say 'apt-get update failed in part; going on with the lists there are.'
      apt install -y --no-install-recommends "$@" || die "$why. apt-get could not install: $* (see above)"
      ;;
    dnf) quietly dnf -y --setopt=install_weak_deps=False install "$@" || die "$why. dnf could not install: $* (see above)" ;;
  esac
}

has_libatomic() {
  ldconfig -p 2>/dev/null | grep -q 'libatomic\.so\.1 ' && return
  # Where the linker keeps no such list.
  for library in /lib/libatomic.so.1 /usr/lib/libatomic.so.1 /lib/*/libatomic.so.1 /usr/lib*/libatomic.so.1; do
    [ -e "$library" ] && return
  done
  return 1
}

install_libraries() {
  if has_libatomic; then return; fi
  case $packages in
    apt) add_packages 'Node.js needs the library libatomic' libatomic1 ;;
    dnf) add_packages 'Node.js needs the library libatomic' libatomic ;;
    *) die "the executable needs libatomic.so.1; install what $distribution calls it (libatomic1, libatomic, gcc-libs)" ;;
  esac
}

install_engine() {
  if [ "$engine" != none ]; then
    say 'A Docker Engine is installed.'
    return
  fi
  case $packages in
    apt)
      set -- docker.io ca-certificates
      # Newer distributions ship the command `docker` apart.
      if apt-cache show docker-cli >/dev/null 2>&1; then set -- "$@" docker-cli; fi
      # With AppArmor in the kernel the engine loads a profile for each container and needs its parser.
      if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then set -- "$@" apparmor; fi
      add_packages 'There is no Docker Engine' "$@"
      ;;
    dnf) add_packages 'There is no Docker Engine' moby-engine ;;
    *) die "how $distribution installs a Docker Engine is not known here; install one, then run this again without --engine" ;;
  esac
  if [ "$dry_run" = no ]; then
    command -v dockerd >/dev/null || die 'the packages are installed, but there is no dockerd'
    if [ "$systemd" = yes ]; then systemctl enable -q --now docker.service || die 'docker.service does not start: journalctl -u docker'; fi
  fi
}

# --- the program ------------------------------------------------------------------------------------------------------

# Everything that is fetched passes through here, and is gone at the end.
make_stage() {
  [ -z "$stage" ] || return 0
  if [ "$dry_run" = yes ]; then
    stage=/nonexistent
    return
  fi
  stage=$(mktemp -d)
  trap 'rm -rf "$stage"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# fetch URL FILE [CURL-OPTION...]
fetch() {
  address=$1
  to=$2
  shift 2
  curl -fsS --proto '=https,http' --retry 5 --retry-delay 2 --connect-timeout 10 "$@" -o "$to" "$address" || die "$address could not be fetched; what is said there: $(curl -ks --max-time 10 "$address" | head -c 300)"
}

# The authority's certificate is taken as it comes and trusted only when it has the fingerprint that the operator was given.
fetch_authority() {
  make_stage
  if [ "$dry_run" = yes ]; then
    say "would fetch: $join_url/ca.der, and stop unless its fingerprint is $fingerprint"
    return
  fi
  command -v curl >/dev/null || die 'curl is needed to fetch the executable from control'
  fetch "$join_url/ca.der" "$stage/ca.der" --insecure
  shown=sha256:$(sha256sum "$stage/ca.der" | cut -d ' ' -f 1)
  [ "$shown" = "$fingerprint" ] || die "$join_url shows an authority with the fingerprint $shown, and $fingerprint was expected: this is another control service, or somebody is between; nothing was installed"
  {
    echo '-----BEGIN CERTIFICATE-----'
    base64 -w 64 "$stage/ca.der"
    echo '-----END CERTIFICATE-----'
  } >"$stage/ca.pem"
}

# get NAME: a file of the distribution comes to the stage.
get() {
  case $source in
    control) fetch "$join_url/dist/$1" "$stage/$1" --cacert "$stage/ca.pem" ;;
    http://* | https://*) fetch "${source%/}/$1" "$stage/$1" --location ;;
    *) cp "$source/$1" "$stage/$1" || die "there is no $1 in $source" ;;
  esac
}

choose_source() {
  here=$(dirname "$(readlink -f "$0" 2>/dev/null || printf '%s' "$0")")
  if [ -n "$from" ]; then
    source=$from
  elif [ -f "$here/SHA256SUMS" ]; then
    source=$here
  elif [ -f "$here/bin/build.ts" ]; then
    source=$here/dist
    build_clone
  elif [ -n "$join_url" ]; then
    source=control
  else
    die 'there is no executable beside this file and this is no clone: say where it is with --from FOLDER or --from URL'
  fi
}

build_clone() {
  node=$here/node_modules/node/bin/node
  [ -x "$node" ] || [ "$dry_run" = yes ] || die "the packages of this clone are missing; run in $here: npm ci"
  install_libraries
  act "$node" "$here/bin/build.ts" --if-changed --executable || die 'the program could not be built; what was installed before is as it was'
}

# check NAME: against the checksums of where it came from.
check() {
  (cd "$stage" && grep " $1\$" SHA256SUMS | sha256sum -c --status -) || die "$1 does not have the checksum that SHA256SUMS names; nothing was installed"
}

# The executable for this machine, to the stage.
fetch_program() {
  get SHA256SUMS
  get "berth-$platform"
  check "berth-$platform"
  chmod 0755 "$stage/berth-$platform"
}

# The executable for this machine, into a folder of its version; `bin/berth` is a link to the one that runs. Each step is one rename.
install_program() {
  [ "$program_installed" = no ] || return 0
  program_installed=yes
  if [ -n "$join_url" ] && [ -z "$from" ]; then fetch_authority; fi
  choose_source
  make_stage
  install_libraries
  if [ "$dry_run" = yes ]; then
    say "would take berth-$platform from: $source"
    say "would install: $prefix/versions/VERSION/berth, linked from $prefix/bin/berth and /usr/local/bin/berth"
    return
  fi
  fetch_program
  version=$("$stage/berth-$platform" --version | cut -d ' ' -f 1) || die 'the executable does not run on this machine; what was installed before is as it was'
  say "Installing Berth $version to $prefix ..."
  install -d -m 0755 "$prefix" "$prefix/bin" "$prefix/versions" "$prefix/versions/$version"
  cp "$stage/berth-$platform" "$prefix/versions/$version/berth.new"
  # Where SELinux decides what services may execute.
  if command -v chcon >/dev/null && selinuxenabled 2>/dev/null; then chcon -t bin_t "$prefix/versions/$version/berth.new"; fi
  mv "$prefix/versions/$version/berth.new" "$prefix/versions/$version/berth"
  previous=$(readlink "$prefix/bin/berth" 2>/dev/null || :)
  ln -sfn "../versions/$version/berth" "$prefix/bin/berth.new"
  mv -T "$prefix/bin/berth.new" "$prefix/bin/berth"
  # What people install is not on trial, and is not gone back from.
  rm -f "$prefix/trial"
  for kept in "$prefix"/versions/*; do
    case ../versions/${kept##*/}/berth in
      "../versions/$version/berth" | "$previous") ;;
      *) rm -rf "$kept" ;;
    esac
  done
  ln -sfn "$prefix/bin/berth" /usr/local/bin/berth
  # What installations before had.
  rm -rf "$prefix/dist/main.js" "$prefix/bin/node" "$prefix/package.json"
}

# What control hands to the machines that join: the executables for all platforms that there are.
install_distribution() {
  folder "$prefix/dist" 0755 root:root
  if [ "$dry_run" = yes ]; then
    say "would copy to $prefix/dist: the executables for machines that join"
    return
  fi
  while read -r _ name; do
    [ -f "$stage/$name" ] || get "$name"
    check "$name"
    cp "$stage/$name" "$prefix/dist/$name.new"
    chmod 0644 "$prefix/dist/$name.new"
    mv "$prefix/dist/$name.new" "$prefix/dist/$name"
  done <"$stage/SHA256SUMS"
  put "$prefix/dist/SHA256SUMS" 0644 root:root <"$stage/SHA256SUMS"
}

# --- services ---------------------------------------------------------------------------------------------------------

# start_service NAME: its unit out of the executable, enabled, and running what is installed now.
start_service() {
  if [ "$dry_run" = yes ]; then
    say "would write: $units/$1.service, and start it with each boot and now"
    return
  fi
  if "$prefix/bin/berth" shipped berth-guard >"$stage/berth-guard" 2>/dev/null; then
    put "$prefix/bin/berth-guard" 0755 root:root <"$stage/berth-guard"
  fi
  "$prefix/bin/berth" shipped "$1.service" | put "$units/$1.service" 0644 root:root
  systemctl daemon-reload
  systemctl enable -q "$1.service"
  systemctl restart "$1.service" || {
    journalctl -u "$1" -n 20 --no-pager >&2 || :
    die "$1 does not start; its last log lines are above"
  }
  say "$1 runs (journalctl -u $1)."
}

# Both services run from one copy of the program, which may just have been replaced.
restart_other() { [ "$dry_run" = yes ] || systemctl try-restart "$1.service" 2>/dev/null || :; }

install_control() {
  require_host
  install_program
  preflight control
  install_distribution
  id berth >/dev/null 2>&1 ||
    act useradd --system --user-group --no-create-home --home-dir "$control_data" --shell /usr/sbin/nologin berth
  folder "$settings" 0755 root:root
  if [ ! -e "$settings/control.env" ]; then
    put "$settings/control.env" 0640 root:berth <<TEXT
# Settings of berth-control; the commented ones show the defaults. Apply with: systemctl restart berth-control
BERTH_HOME=$control_data
#BERTH_LISTEN=127.0.0.1:4566
BERTH_TLS_LISTEN=$listen
${names:+BERTH_TLS_NAMES=$names
}#BERTH_STORE=sqlite:$control_data/control.sqlite
#BERTH_REGION=us-east-1
#BERTH_ACCOUNT_ID=000000000000
#BERTH_LOG_LEVEL=info
TEXT
  fi
  start_service berth-control
  restart_other berth-agent
  say "Day to day, as root on this machine: berth service list. The access key is in $control_data/admin-credentials.json."
  say 'The next machine: berth instance invite prints the one command to run there.'
}

# preflight ROLE: what is not well is said, and does not end the installation: most of it can be mended while the service waits for it.
preflight() {
  [ "$dry_run" = no ] || return 0
  said=$("$prefix/bin/berth" doctor --role "$1" 2>&1) || {
    say "$said"
    warn "not everything is as it should be (see above); going on. 'berth doctor' looks again"
  }
}

agent_settings() {
  folder "$settings" 0755 root:root
  folder "$agent_data" 0700 root:root
  [ ! -e "$settings/agent.env" ] || return 0
  put "$settings/agent.env" 0600 root:root <<TEXT
# Settings of berth-agent; the commented ones show the defaults. Apply with: systemctl restart berth-agent
ECS_DATADIR=$agent_data
#ECS_INSTANCE_ATTRIBUTES={}
#ECS_RESERVED_MEMORY=0
#ECS_LOGLEVEL=info
TEXT
}

# set_in FILE NAME [VALUE]: the one line NAME=VALUE in place of those that are there; without a value none.
set_in() {
  if [ "$dry_run" = yes ]; then
    say "would set: $2 in $1"
    return
  fi
  { grep -v "^$2=" "$1" || :; [ -z "${3-}" ] || printf '%s=%s\n' "$2" "$3"; } | put "$1" 0600 root:root
}

# The certificate says which control and which cluster; the token of a control service on this machine is no longer used.
join_agent() {
  require_host
  install_program
  preflight agent
  agent_settings
  if [ "$dry_run" = yes ]; then
    say "would join: $join_url, with the activation $activation_id"
  else
    set -- --control "$join_url" --ca-fingerprint "$fingerprint" --activation-id "$activation_id" --data-folder "$agent_data"
    [ -z "$code_file" ] || set -- "$@" --activation-code-file "$code_file"
    "$prefix/bin/berth" agent join "$@" >"$stage/joined" || die 'this machine could not join; see above. The program is installed, no service was started'
    while IFS='=' read -r name value; do set_in "$settings/agent.env" "$name" "$value"; done <"$stage/joined"
  fi
  set_in "$settings/agent.env" BERTH_AGENT_TOKEN_FILE
  start_service berth-agent
  restart_other berth-control
}

local_agent() {
  require_host
  install_program
  preflight agent
  agent_settings
  set_in "$settings/agent.env" BERTH_CONTROL_URL ws://127.0.0.1:4566/agent
  set_in "$settings/agent.env" BERTH_AGENT_TOKEN_FILE "$control_data/agent-token"
  start_service berth-agent
  [ "$do_control" = yes ] || restart_other berth-control
}

# --- the way back -----------------------------------------------------------------------------------------------------

uninstall() {
  require_root
  if [ -e "$units/berth-agent.service" ]; then stop_service berth-agent; fi
  if [ "$purge" = yes ]; then purge_containers; fi
  if [ -e "$units/berth-control.service" ]; then stop_service berth-control; fi
  for service in berth-agent berth-control; do act rm -f "$units/$service.service"; done
  [ "$systemd" = no ] || act systemctl daemon-reload
  if [ "$(readlink /usr/local/bin/berth 2>/dev/null)" = "$prefix/bin/berth" ]; then act rm -f /usr/local/bin/berth; fi
  act rm -rf "$prefix"
  if [ "$purge" = yes ]; then
    # Where systemd owns the control groups: the parent of those of tasks.
    if [ -d /run/systemd/system.control/ecs.slice.d ]; then
      act systemctl stop ecs.slice || warn 'ecs.slice could not be stopped; it is gone with the next boot'
      act systemctl revert ecs.slice || warn 'ecs.slice could not be reverted; it is gone with the next boot'
      if [ -d /sys/fs/cgroup/ecs.slice ]; then act rmdir /sys/fs/cgroup/ecs.slice || warn 'its group is gone with the next boot'; fi
    fi
    act rm -rf "$settings" "$control_data" "$agent_data"
    if id berth >/dev/null 2>&1; then act userdel berth; fi
    say 'Nothing of Berth is left on this machine. Its images are kept; where it had joined a control service, deregister it there (berth instance list).'
  else
    say "Containers go on running. Settings ($settings) and data ($control_data, $agent_data) are kept; --uninstall --purge removes them too."
  fi
}

stop_service() {
  act systemctl disable -q --now "$1.service" || warn "$1 could not be stopped in order"
  [ "$dry_run" = yes ] || say "$1 is removed."
}

# By the program itself, which knows its own by their labels; before anything of it is removed. After an --uninstall it is taken from where it came from.
purge_containers() {
  if [ ! -e "$settings/agent.env" ]; then
    say 'No agent is installed; there are no containers of it to remove.'
    return 0
  fi
  program=$prefix/bin/berth
  if [ ! -x "$program" ]; then stage_program; fi
  act systemd-run --quiet --pipe --wait --property="EnvironmentFile=$settings/agent.env" "$program" agent purge ||
    die "the containers could not be removed (see above); nothing else was. Is the engine down? 'install.sh --uninstall' alone leaves them running"
}

stage_program() {
  say 'The program, which knows which containers are its own, is not installed any more; it is taken from where it came from.'
  choose_source
  make_stage
  if [ "$dry_run" = no ]; then fetch_program; fi
  program=$stage/berth-$platform
}

# --- what was asked for -----------------------------------------------------------------------------------------------

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
dry_run=no do_control=no do_agent=no do_engine=no do_libraries=no do_uninstall=no purge=no
join_url='' fingerprint='' activation_id='' code_file='' from='' listen='' names=''
stage='' program_installed=no source=''

[ $# -gt 0 ] || {
  usage >&2
  exit 2
}
while [ $# -gt 0 ]; do
  case $1 in
    --join | --ca-fingerprint | --activation-id | --activation-code-file | --from | --listen | --name)
      [ -n "${2-}" ] || wrong_usage "$1 needs a value"
      ;;
  esac
  case $1 in
    --control) do_control=yes ;;
    --agent) do_agent=yes ;;
    --engine) do_engine=yes ;;
    --libraries) do_libraries=yes ;;
    --uninstall) do_uninstall=yes ;;
    --purge) purge=yes ;;
    --dry-run) dry_run=yes ;;
    --join) join_url=${2%/} ;;
    --ca-fingerprint) fingerprint=$2 ;;
    --activation-id) activation_id=$2 ;;
    --activation-code-file) code_file=$2 ;;
    --from) from=$2 ;;
    --listen) listen=$2 ;;
    --name) names=${names:+$names,}$2 ;;
    --activation-code | --activation-code=*) wrong_usage 'the activation code is no argument, because everybody on the machine may read those: it is asked for' ;;
    --help | -h)
      usage
      exit 0
      ;;
    *) wrong_usage "'$1' is not understood" ;;
  esac
  case $1 in
    --join | --ca-fingerprint | --activation-id | --activation-code-file | --from | --listen | --name) shift ;;
  esac
  shift
done

if [ -n "$join_url" ]; then
  case $join_url in https://*) ;; *) wrong_usage "--join needs https://HOST:PORT, not $join_url" ;; esac
  printf '%s' "$fingerprint" | grep -Eq '^sha256:[0-9a-f]{64}$' || wrong_usage '--join needs --ca-fingerprint sha256: and 64 hexadecimal digits'
  [ -n "$activation_id" ] || wrong_usage '--join needs --activation-id'
  [ "$do_agent" = no ] || wrong_usage '--agent is for the control service on this machine, --join for one elsewhere: one of them'
fi
if [ "$purge" = yes ] && [ "$do_uninstall" = no ]; then wrong_usage '--purge goes with --uninstall'; fi
if [ "$do_uninstall" = yes ] && [ "$do_control$do_agent$do_engine$join_url" != nonono ]; then wrong_usage '--uninstall stands alone'; fi
case $do_control$do_agent$do_engine$do_libraries$do_uninstall$join_url in
  nonononono) wrong_usage 'say what to install' ;;
esac
[ -z "$listen$names" ] || [ "$do_control" = yes ] || wrong_usage '--listen and --name go with --control'
listen=${listen:-0.0.0.0:4567}

detect
if [ "$do_uninstall" = yes ]; then
  uninstall
  exit 0
fi
# Not `||`: a function that stands there goes on after a command of it has failed.
if [ "$do_libraries$dry_run" != yesno ]; then tell_machine; fi
if [ "$do_libraries" = yes ]; then install_libraries; fi
if [ "$do_engine" = yes ]; then install_engine; fi
if [ "$do_control" = yes ]; then install_control; fi
if [ -n "$join_url" ]; then join_agent; fi
if [ "$do_agent" = yes ]; then local_agent; fi
