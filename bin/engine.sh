# shellcheck shell=sh disable=SC2154
# Finds, installs, starts and stops the Docker Engine of this machine. Needs common.sh and the packages.
#
# What we start we remember in $BERTH_HOME/engine, one word per line: how (systemd | process), the pid, its start time.
# Only what is remembered there is ever stopped.

engine_record=$BERTH_HOME/engine
engine_log=$BERTH_HOME/dockerd.log
engine_pidfile=/var/run/docker.pid
engine_start_seconds=60

engine_answers() { "$node" "$root/bin/engine-answers.ts" 2>/dev/null; }

ensure_engine() {
  code=0
  engine_answers || code=$?
  case $code in
    0) return ;;
    2) die "$("$node" "$root/bin/engine-answers.ts" 2>&1 || :)
You may not use the Docker Engine. Run this as root, or join its group and log in again: usermod -aG docker \$USER" ;;
  esac
  [ -z "${DOCKER_HOST:-}" ] || [ "$DOCKER_HOST" = unix:///var/run/docker.sock ] ||
    die "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST; start it, or unset DOCKER_HOST to use this machine's own"
  if ! command -v dockerd >/dev/null; then
    say 'No Docker Engine answers and none is installed: installing one from the packages of this distribution.'
    sh "$root/install.sh" --engine
    installed=yes
  fi
  [ "$(id -u)" = 0 ] || die 'the Docker Engine is installed but does not run, and only root may start it: run this as root'
  mkdir -p "$BERTH_HOME"
  if systemd_runs; then start_engine_by_systemd; else start_engine_process; fi
  if [ "${installed:-no}" = yes ]; then say "The package docker.io stays installed; 'apt-get remove docker.io' undoes that."; fi
}

systemd_runs() { [ -d /run/systemd/system ]; }

start_engine_by_systemd() {
  if ! engine_answers; then
    say 'Starting the Docker Engine (systemctl start docker) ...'
    systemctl start docker || {
      journalctl -u docker -n 20 --no-pager || :
      die 'the Docker Engine does not start; its last log lines are above'
    }
  fi
  remember_engine systemd
  wait_for_engine || {
    journalctl -u docker -n 20 --no-pager || :
    die "the Docker Engine did not answer within $engine_start_seconds s; its last log lines are above"
  }
}

# Without --live-restore: containers end with this dockerd, so `npm stop` leaves no process behind.
start_engine_process() {
  pid=$(cat "$engine_pidfile" 2>/dev/null || :)
  if runs_as dockerd "$pid"; then
    # Installing the package may have started it (an init script); then it is ours. Otherwise it is someone else's.
    say 'A Docker Engine is starting; waiting for it ...'
    [ "${installed:-no}" = no ] || remember_engine process "$pid"
    wait_for_engine && return
    die "dockerd runs (pid $pid) but does not answer within $engine_start_seconds s; see its log, or end it and try again"
  fi
  remove_stale_pidfiles
  say "Starting the Docker Engine (dockerd, log in $engine_log) ..."
  # docker-init adopts and reaps what the engine leaves behind; not every first process of a machine does.
  init=$(command -v docker-init || command -v tini || :)
  # shellcheck disable=SC2086 # no init, no words
  setsid ${init:+"$init" -s --} dockerd </dev/null >"$engine_log" 2>&1 &
  launched=$!
  if wait_for_engine "$launched"; then
    remember_engine process "$(cat "$engine_pidfile")"
    return
  fi
  tail -n 20 "$engine_log" >&2
  if alive "$launched"; then
    kill "$(cat "$engine_pidfile" 2>/dev/null || echo "$launched")" || :
    die "dockerd did not answer within $engine_start_seconds s; its last log lines are above (all in $engine_log)"
  fi
  die "dockerd ended instead of starting; its last log lines are above (all in $engine_log)"
}

# A dockerd or containerd that was killed leaves files that keep the next one from starting, a zombie's included.
remove_stale_pidfiles() {
  runs_as dockerd "$(cat "$engine_pidfile" 2>/dev/null || :)" || rm -f "$engine_pidfile"
  file=/var/run/docker/containerd/containerd.pid
  runs_as containerd "$(cat "$file" 2>/dev/null || :)" || rm -f "$file"
}

# wait_for_engine [PID]: until it answers; fails when the time is over or the process PID has ended.
wait_for_engine() {
  tries=$((engine_start_seconds * 4))
  while ! engine_answers; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    [ -z "${1:-}" ] || alive "$1" || return 1
    sleep 0.25
  done
}

# remember_engine systemd | remember_engine process PID
remember_engine() {
  if [ "$1" = systemd ]; then echo systemd; else printf 'process\n%s\n%s\n' "$2" "$(start_time "$2")"; fi >"$engine_record"
}

# Stops the engine that we started, if it still is that one, and waits for its end.
stop_engine() {
  [ -f "$engine_record" ] || return 0
  { read -r how; read -r pid || :; read -r started || :; } <"$engine_record"
  if [ "$how" = systemd ]; then
    say 'Stopping the Docker Engine (systemctl stop docker) ...'
    systemctl stop docker.socket docker.service
  elif runs_as dockerd "$pid" && [ "$(start_time "$pid")" = "$started" ]; then
    say 'Stopping the Docker Engine that was started here ...'
    parent=$(parent_of "$pid")
    kill "$pid"
    wait_for_end "$pid" || die "dockerd (pid $pid) does not end; its log is $engine_log"
    # Its docker-init follows it.
    if runs_as docker-init "$parent" || runs_as tini "$parent"; then wait_for_end "$parent" || :; fi
  fi
  rm -f "$engine_record" "$engine_log"
}

# wait_for_end PID: up to 60 s (dockerd gives containers 15 s to stop).
wait_for_end() {
  tries=240
  while alive "$1"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.25
  done
}

# alive PID: there and not a zombie.
alive() {
  state=$(stat_field "$1" 1)
  [ -n "$state" ] && [ "$state" != Z ] && [ "$state" != X ]
}

# runs_as NAME PID: PID is alive and its program is called NAME (a zombie has no command line).
runs_as() {
  [ -n "$2" ] && alive "$2" || return 1
  program=$(tr '\0' '\n' <"/proc/$2/cmdline" 2>/dev/null | head -n 1)
  [ "${program##*/}" = "$1" ]
}

# When PID started, in clock ticks since boot: tells it from a later process with the same pid.
start_time() { stat_field "$1" 20; }
parent_of() { stat_field "$1" 2; }

# stat_field PID N: the Nth field of /proc/PID/stat after the name, which may hold anything.
stat_field() {
  sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f "$2"
}
