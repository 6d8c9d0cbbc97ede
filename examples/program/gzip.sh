#!/bin/sh
# Finds the level and the block size with which gzip makes a file small in little work:
# two objectives, whose trade-off is a front.
#
#	attune run --space gzip.yaml --direction minimize,minimize --metrics bytes,level -- sh gzip.sh FILE
#
# It reads its parameters from the environment.
set -eu
level=$ATTUNE_PARAM_level
kilobytes=$ATTUNE_PARAM_kilobytes
bytes=$(split -b "${kilobytes}k" --filter "gzip -$level -c" "$1" | wc -c)
echo "attune: bytes=$((bytes)) level=$level"
