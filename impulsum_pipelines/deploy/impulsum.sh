#!/bin/sh
# Lets root run a program of the project with the account and the settings of the services. Install it as
# /usr/local/bin/impulsum; with a link named dagster it runs dagster.
set -eu
set -a
. /etc/impulsum/impulsum.env
set +a
umask 027
cd /opt/impulsum
exec runuser -u impulsum -- "/opt/impulsum/.venv/bin/$(basename "$0")" "$@"
