# shellcheck shell=sh disable=SC2154
# Finds, installs, starts and stops the Docker Engine of this machine. Needs common.sh and the packages.
#
# What we start we remember in $BERTH_HOME/engine, one word per line: `systemd`, the boot it was started in and whether
# containerd.service came with it (yes | no), or `process`, the pid and its start time. Only what is remembered there is ever stopped.

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
  with_containerd=yes
  if systemd_runs && systemctl is-active -q containerd.service; then with_containerd=no; fi
  if ! command -v dockerd >/dev/null; then
    say 'No Docker Engine answers and none is installed: installing one from the packages of this distribution.'
    sh "$root/install.sh" --engine
    installed=yes
  fi
  [ "$(id -u)" = 0 ] || die 'the Docker Engine is installed but does not run, and only root may start it: run this as root'
  mkdir -p "$BERTH_HOME"
  if systemd_runs; then start_engine_by_systemd; else start_engine_process; fi
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
  remember_engine systemd "$(boot_id)" "$with_containerd"
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
    [ "${installed:-no}" = no ] || remember_engine process "$pid" "$(start_time "$pid")"
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
  # At once: an interrupted start leaves nothing that `npm stop` would not end.
  remember_engine process "$launched" "$(start_time "$launched")"
  if wait_for_engine "$launched"; then return; fi
  tail -n 20 "$engine_log" >&2
  rm -f "$engine_record"
  if alive "$launched"; then
    kill "$launched" || :
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

remember_engine() { printf '%s\n' "$@" >"$engine_record"; }

# Stops the engine that we started, if it still is that one, waits for its end, and says what of it stays.
stop_engine() {
  [ -f "$engine_record" ] || return 0
  { read -r how; read -r second || :; read -r third || :; } <"$engine_record"
  if [ "$how" = systemd ] && [ "$second" != "$(boot_id)" ]; then
    say 'The machine was restarted since npm start; its Docker Engine, started by that, is left running.'
  elif [ "$how" = systemd ]; then
    say 'Stopping the Docker Engine (systemctl stop docker) ...'
    systemctl stop docker.socket docker.service
    [ "$third" = no ] || systemctl stop containerd.service
    say_what_stays
  elif is_our_process "$second" "$third"; then
    say 'Stopping the Docker Engine that was started here ...'
    kill "$second"
    wait_for_end "$second" || die "dockerd (pid $second) does not end; its log is $engine_log"
    say_what_stays
  fi
  rm -f "$engine_record" "$engine_log"
}

say_what_stays() {
  say "Left on this machine: the engine's package, its data (/var/lib/docker) and its bridge docker0."
}

# Under docker-init, which passes our signal on and ends after its child, or, where there is none, dockerd itself.
is_our_process() {
  [ "$(start_time "$1")" = "$2" ] || return 1
  runs_as docker-init "$1" || runs_as tini "$1" || runs_as dockerd "$1"
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
boot_id() { cat /proc/sys/kernel/random/boot_id; }

# stat_field PID N: the Nth field of /proc/PID/stat after the name, which may hold anything.
stat_field() {
  sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f "$2"
}
