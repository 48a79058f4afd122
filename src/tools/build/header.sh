#!/bin/sh
# tunnet @VERSION@ for Linux on @ARCH@. Try: ./tunnet --help
#
# This file is a shell script, then a program, then the runtime that runs it, the
# last two compressed. The first start unpacks them into a private cache directory
# and checks their SHA-256. Every start hands over to the runtime by exec, so that
# this process is the program: its signals, standard input and exit status.
#
# $TUNNET_CACHE names the cache directory; by default it is /var/cache/tunnet for
# root, else tunnet in $XDG_CACHE_HOME or ~/.cache, and if that cannot be used
# tunnet-UID in $TMPDIR or /tmp. None is used that another user could exchange.

set -u
arch='@ARCH@'
main_offset='@MAIN_OFFSET@' main_bytes='@MAIN_BYTES@' main_sha256='@MAIN_SHA256@'
worker_offset='@WORKER_OFFSET@' worker_bytes='@WORKER_BYTES@' worker_sha256='@WORKER_SHA256@'
runtime_offset='@RUNTIME_OFFSET@' runtime_bytes='@RUNTIME_BYTES@' runtime_sha256='@RUNTIME_SHA256@'
program_key='@PROGRAM_KEY@'
newline='
'

fail() {
  printf 'tunnet: error: %s\n' "$1" >&2
  exit 1
}

# Sets the names of what the cache directory $1 holds.
name_files() {
  cache=$1
  runtime=$cache/runtime-$runtime_sha256/tunnet
  program=$cache/program-$program_key
}

# One line for each of our files. Any write, chmod or exchange changes its line: nobody can set a
# file's ctime (%z).
describe_files() {
  LC_ALL=C TZ=UTC0 stat -c '%u %f %s %i %z' -- \
    "$runtime" "$program/main.js" "$program/@WORKER_NAME@" 2>/dev/null
}

# Sets $place to where the cache directory $1 really is, without symbolic links on the way; false if
# somebody else could put another one in its place. $why says what is wrong.
locate() {
  above=${1%/*} below=/${1##*/}
  # As far as there is something; the rest is made by us, below what is checked here.
  while [ ! -d "$above/" ]; do
    below=/${above##*/}$below
    above=${above%/*}
  done
  why='a part of the path is missing'
  case $below/ in */../* | */./*) return 1 ;; esac
  why='its parent directory cannot be entered'
  above=$(cd -P -- "$above/" 2>/dev/null && pwd -P && echo .) || return 1
  above=${above%"$newline."}
  [ "$above" != / ] || above=
  place=$above$below
  set -- /
  way=$above
  while [ -n "$way" ]; do
    set -- "$@" "$way"
    way=${way%/*}
  done
  why='its parent directory cannot be read'
  lines=$(LC_ALL=C stat -c '%u %g %f' -- "$@" 2>/dev/null) || return 1
  # Nothing is safe from whoever owns the root directory; in a user namespace that is not user 0.
  top=${lines%% *}
  for directory; do
    line=${lines%%"$newline"*}
    lines=${lines#*"$newline"}
    is_safe || return 1
  done
}

# True if nobody else can exchange what is in $directory, whose owner, group and mode are $line.
is_safe() {
  owner=${line%% *} group=${line#* } mode=$((0x${line##* }))
  group=${group%% *}
  why="somebody else can exchange it: $directory belongs to user $owner"
  case $owner in 0 | "$uid" | "$top") ;; *) return 1 ;; esac
  # In a sticky directory, only what is one's own can be exchanged.
  [ $((mode & 01000)) -eq 0 ] || return 0
  why="somebody else can exchange it: $directory is open to others"
  [ $((mode & 0002)) -eq 0 ] || return 1
  [ $((mode & 0020)) -eq 0 ] || [ "$group" = 0 ] || { [ "$owner" = "$uid" ] && [ "$uid" != 0 ]; }
}

# True if the cache directory is ours alone. $why says what is wrong.
is_private() {
  why='is a symbolic link'
  [ ! -L "$cache" ] || return 1
  why='cannot be read'
  own=$(LC_ALL=C stat -c '%u %f' -- "$cache" 2>/dev/null) || return 1
  check_private
}

# The same, given its owner and mode.
check_private() {
  why='is not a directory of our own'
  # 41c0: a directory of mode 0700; 45c0: the same below a directory with the set-group-ID bit.
  case $own in
    "$uid 41c0" | "$uid 45c0") ;;
    "$uid 4"*) why='is open to others: its mode is not 0700' && return 1 ;;
    *) return 1 ;;
  esac
}

# True if the cache directory $1 is private and holds what was checked when it was unpacked.
is_ready() {
  name_files "$1"
  [ -f "$program/stamp" ] || return 1
  all=$(LC_ALL=C TZ=UTC0 stat -c '%u %f %s %i %z' -- "$cache" \
    "$runtime" "$program/main.js" "$program/@WORKER_NAME@" 2>/dev/null) || return 1
  first=${all%%"$newline"*}
  all=${all#*"$newline"}
  first_mode=${first#* }
  own="${first%% *} ${first_mode%% *}"
  check_private || return 1
  { IFS= read -r one && IFS= read -r two && IFS= read -r three; } <"$program/stamp" || return 1
  [ "$one$newline$two$newline$three" = "$all" ]
}

# True if file $1 is a plain file of ours with SHA-256 $2.
is_intact() {
  [ -f "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] || return 1
  sum=$(sha256sum <"$1" 2>/dev/null) || return 1
  [ "${sum%% *}" = "$2" ]
}

# Unpacks $2 bytes at offset $1 of this file to $3, SHA-256 $4, mode $5, unless it is there.
unpack() {
  if is_intact "$3" "$4"; then
    chmod "$5" "$3" || stop 'chmod failed'
    return
  fi
  mkdir -p -- "${3%/*}" 2>/dev/null || stop 'cannot make directories in it'
  [ ! -d "$3" ] || rm -rf -- "$3"
  part=$stage/part
  said=$({ tail -c "+$1" -- "$self" | head -c "$2" | gzip -dc >"$part"; } 2>&1)
  if ! is_intact "$part" "$4"; then
    case $said in
      *'No space left'* | *'quota exceeded'*) stop 'no space left' ;;
      *'File too large'*) stop 'file too large' ;;
    esac
    said=${said%%"$newline"*}
    damaged "${said:-the checksum differs}"
  fi
  { chmod "$5" "$part" && mv -f -- "$part" "$3"; } || stop 'cannot put files into it'
}

# End of an attempt to install: $1 says why. In a subshell.
stop() {
  printf '%s\n' "$1"
  exit 1
}

# This file is no good, so that no other cache directory helps either (exit status 3 of install).
damaged() {
  printf 'this file is damaged (%s); try: copy it here again\n' "$1"
  exit 3
}

# Puts runtime and program into the cache directory $1. In a subshell; prints why it cannot.
install() {
  name_files "$1"
  umask 077
  mkdir -p -- "${cache%/*}/" 2>/dev/null || stop 'its parent directory cannot be made'
  # A symbolic link, or anything else that is there, is left to the check below.
  if [ ! -L "$cache" ] && [ ! -d "$cache" ]; then
    said=$(LC_ALL=C mkdir -m 0700 -- "$cache" 2>&1) || [ -d "$cache" ] || stop "${said##*: }"
  fi
  is_private || stop "$why"
  stage=$(mktemp -d -- "$cache/new.XXXXXX" 2>&1) || stop "${stage##*: }"
  trap 'rm -rf -- "$stage"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  unpack "$runtime_offset" "$runtime_bytes" "$runtime" "$runtime_sha256" 0500
  unpack "$main_offset" "$main_bytes" "$program/main.js" "$main_sha256" 0400
  unpack "$worker_offset" "$worker_bytes" "$program/@WORKER_NAME@" "$worker_sha256" 0400
  said=$("$runtime" --version 2>&1) || {
    said=${said##*"$newline"}
    said=${said##*: }
    # What dash, busybox and bash say of a program whose loader is not there.
    case $said in
      'not found' | 'cannot execute: required file not found' | 'No such file or directory')
        printf 'cannot run here (this host has no glibc; %s); try: %s\n' \
          'musl, as on Alpine, does not do' 'a host or a container with glibc, such as Debian'
        exit 3
        ;;
    esac
    stop "the runtime does not start from there: $said"
  }
  { describe_files >"$stage/stamp" && mv -f -- "$stage/stamp" "$program/stamp"; } ||
    stop 'cannot put files into it'
  sweep 2>/dev/null
}

# Removes what other versions left: unused for a week, and of no running process.
sweep() {
  now=$(date +%s)
  running=''
  for process in /proc/[0-9]*; do
    for other in "$cache"/runtime-*/tunnet; do
      # shellcheck disable=SC3013 # dash, busybox and bash have it
      if [ "$process/exe" -ef "$other" ]; then
        running="$running$other $(tr '\0' ' ' <"$process/cmdline")"
      fi
    done
  done
  for other in "$cache"/runtime-* "$cache"/program-* "$cache"/new.*; do
    case $other in
      "${runtime%/*}" | "$program" | "$stage") continue ;;
      *'/new.'*) limit_s=3600 probe=$other ;;
      *'/runtime-'*) limit_s=604800 probe=$other/tunnet ;;
      *) limit_s=604800 probe=$other/main.js ;;
    esac
    case $running in *"$other/"*) continue ;; esac
    used=$(stat -c '%X' -- "$probe") || used=$(stat -c '%Y' -- "$other") || continue
    [ $((now - used)) -lt "$limit_s" ] || rm -rf -- "$other"
  done
  return 0
}

# Tries the cache directory $1; true if the program is ready in it.
try() {
  # Relative names would depend on the working directory.
  case $1 in /*) ;; *) tried="$tried; $1: not an absolute path" && return 1 ;; esac
  locate "$1" || { tried="$tried; $1: $why" && return 1; }
  # By this name from here on: links on the way could be changed after they were looked at.
  set -- "$place"
  is_ready "$1" && return 0
  machine=$(uname -m)
  [ "$machine" = "$arch" ] || fail "this file is for $arch (this machine is $machine)"
  why=$(install "$1" </dev/null)
  case $? in
    0) return 0 ;;
    3) fail "$why" ;;
  esac
  # Its last line: a tool may have said more before.
  tried="$tried; $1: ${why##*"$newline"}"
  return 1
}

# Variables that would change how the runtime works. Names only come from here.
clean_environment() {
  exported=$(export -p)
  while IFS= read -r line; do
    line=${line#export }
    line=${line#declare -x }
    case $line in
      DENO_* | NODE_* | NPM_CONFIG_* | npm_config_* | OTEL_* | RUST_* | V8_*)
        line=${line%%=*}
        case $line in *[!A-Za-z0-9_]*) ;; *) unset "$line" ;; esac
        ;;
    esac
  done <<END_OF_NAMES
$exported
END_OF_NAMES
}

user_path=${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$user_path
uid=$(id -u) || fail 'cannot start (id -u failed)'
self=$0
case $self in
  /*) ;;
  *)
    # A directory's name may end in line ends, which $() would cut.
    here=$(pwd -P && echo .)
    self=${here%"$newline."}/${self#./}
    ;;
esac
[ -f "$self" ] || fail "cannot find the file to start ($self); try: its whole path"

clean_environment
tried=''
found=''
temporary=${TMPDIR:-/tmp}
[ -d "$temporary" ] || temporary=/tmp
if [ -n "${TUNNET_CACHE:-}" ]; then
  # A slash at the end would follow a symbolic link.
  while [ "$TUNNET_CACHE" != / ] && [ "$TUNNET_CACHE" != "${TUNNET_CACHE%/}" ]; do
    TUNNET_CACHE=${TUNNET_CACHE%/}
  done
  try "$TUNNET_CACHE" && found=yes
elif [ "$uid" = 0 ]; then
  { try /var/cache/tunnet || try "$temporary/tunnet-0" || try /tmp/tunnet-0; } && found=yes
else
  home=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
  if [ -n "$home" ] && try "$home/tunnet"; then
    found=yes
  else
    try "$temporary/tunnet-$uid" && found=yes
  fi
fi
if [ -z "$found" ]; then
  fail "cannot unpack into a cache directory (${tried#; }); try: TUNNET_CACHE=DIR, a directory of \
your own with 100 MB free where programs may run"
fi

export PATH="$user_path" TUNNET_EXE="$self" DENO_DIR="$program/deno"
export DENO_NO_UPDATE_CHECK=1 DENO_NO_PACKAGE_JSON=1
exec "$runtime" run @FLAGS@ "$program/main.js" "$@"
exit 1
