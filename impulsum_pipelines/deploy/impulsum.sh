#!/bin/sh
# A program of the project with the account and the settings of the services, for root: impulsum where this is installed
# as /usr/local/bin/impulsum, and dagster where it is a link of that name.
set -eu
set -a
. /etc/impulsum/impulsum.env
set +a
umask 027
cd /opt/impulsum
exec runuser -u impulsum -- "/opt/impulsum/.venv/bin/$(basename "$0")" "$@"
