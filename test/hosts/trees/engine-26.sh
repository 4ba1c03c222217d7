# shellcheck shell=sh disable=SC2154
# Debian 13's Docker Engine with what it runs.
begin trixie ca-certificates
add docker.io iptables
