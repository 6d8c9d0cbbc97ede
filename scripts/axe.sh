#!/bin/sh
# Fetches axe-core, which checks pages for what keeps people with disabilities from using them,
# and prints its path. The tests of package dashboard use it if ATTUNE_AXE has that path:
#
#	ATTUNE_AXE=$(scripts/axe.sh) go test -run Accessible ./dashboard
#
# It is licensed under MPL 2.0, and is not part of attune.
set -eu
version=4.14.1
sum=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
dir=${XDG_CACHE_HOME:-$HOME/.cache}/attune/axe-core-$version
if [ ! -f "$dir/axe.min.js" ]; then
	mkdir -p "$dir"
	(cd "$dir" && npm pack --silent "axe-core@$version" >/dev/null && tar xzf "axe-core-$version.tgz" --strip-components 1 package/axe.min.js package/LICENSE)
fi
echo "$sum  $dir/axe.min.js" | sha256sum -c --quiet >&2
echo "$dir/axe.min.js"
