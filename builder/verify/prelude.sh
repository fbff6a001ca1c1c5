# Read by the probe shell once, when a session opens. Busybox of Debian runs its own programs for every
# name it knows, whatever PATH says: `wget` would answer in an image that has none. So a name that is not
# one of the probes below means the image's own program, or nothing.
unset SHLVL OLDPWD
export -n PWD

_t_bin=/.toolbox/busybox

# Prints where the image has a program; 127 where it has none, as a shell would.
_t_find() {
  case $1 in
    '') return 127 ;;
    */*) [ -f "$1" ] && [ -x "$1" ] && printf '%s\n' "$1" && return 0; return 127 ;;
  esac
  _t_rest=$PATH:
  while [ -n "$_t_rest" ]; do
    _t_dir=${_t_rest%%:*}
    _t_rest=${_t_rest#*:}
    if [ -f "${_t_dir:-.}/$1" ] && [ -x "${_t_dir:-.}/$1" ]; then
      printf '%s\n' "${_t_dir:-.}/$1"
      return 0
    fi
  done
  return 127
}

_t_image() {
  _t_name=$1
  shift
  _t_path=$(_t_find "$_t_name") || { printf '%s: not found in the image\n' "$_t_name" >&2; return 127; }
  "$_t_path" "$@"
}

# Every name of busybox that is no probe; names with a hyphen can't be functions, so they are aliases.
for _t_name in $("$_t_bin" --list); do
  case $_t_name in
    \[*) ;;
    basename | cat | cut | dirname | egrep | env | expr | false | fgrep | grep | head | id | ls | md5sum) ;;
    mkdir | printf | pwd | readlink | realpath | rm | sed | sha1sum | sha256sum | sha512sum | sleep) ;;
    sort | stat | tail | test | touch | tr | true | uname | uniq | wc | awk | echo | kill) ;;
    find | which) ;;
    *[!A-Za-z0-9_]*) alias "$_t_name=_t_image $_t_name" ;;
    *) eval "$_t_name() { _t_image $_t_name \"\$@\"; }" ;;
  esac
done

command() {
  case $1 in
    -v | -V)
      [ "$2" = command ] && { echo command; return 0; }
      _t_find "$2"
      ;;
    -p) shift; command "$@" ;;
    *) "$@" ;;
  esac
}

which() {
  _t_found=0
  for _t_name; do _t_find "$_t_name" || _t_found=1; done
  return $_t_found
}

type() {
  for _t_name; do _t_find "$_t_name" || { printf '%s: not found in the image\n' "$_t_name" >&2; return 127; }; done
}

# A search skips what it may not read, and without capabilities not even root may read everything: an
# absence found that way proves nothing.
find() {
  printf '%s\n' "find: not offered in a live test, since it skips what it may not read; ask the fixture 'image'" >&2
  return 127
}

# busybox has no -q, and needs none: testinfra passes it so that odd names stay on one line.
ls() {
  _t_flags=
  while [ $# -gt 0 ]; do
    case $1 in
      -q) shift ;;
      --) break ;;
      -*) _t_flags="$_t_flags $1"; shift ;;
      *) break ;;
    esac
  done
  "$_t_bin" ls $_t_flags "$@"
}

# GNU's realpath answers where only the last part is missing; testinfra relies on it for dangling links.
realpath() {
  "$_t_bin" realpath "$@" 2>/dev/null || "$_t_bin" readlink -f "$@"
}

# With a command behind it, env would run busybox's programs: the image's own env may do that.
env() {
  case $* in
    '' | -0) "$_t_bin" env "$@" ;;
    *) _t_image env "$@" ;;
  esac
}

getent() {
  case $1 in
    passwd | group | shadow | hosts | services | protocols) _t_file=/etc/$1 ;;
    *) printf "getent: database '%s' is not offered in a live test\n" "$1" >&2; return 127 ;;
  esac
  [ -r "$_t_file" ] || return 2
  [ $# -gt 1 ] || { "$_t_bin" cat "$_t_file"; return; }
  "$_t_bin" awk -F: -v key="$2" -v database="$1" \
    '$1 == key || (database != "shadow" && $3 == key) { print; found = 1; exit } END { exit !found * 2 }' "$_t_file"
}

# dpkg-query [-f FORMAT] -W [PACKAGE]..., over what scanners read: status and status.d.
_t_dpkg_query() {
  _t_format='${Package}\t${Version}\n'
  _t_wanted=
  while [ $# -gt 0 ]; do
    case $1 in
      -f | --showformat) _t_format=$2; shift ;;
      -f=* | --showformat=*) _t_format=${1#*=} ;;
      -*) ;;
      *) _t_wanted="$_t_wanted $1" ;;
    esac
    shift
  done
  set --
  for _t_file in /var/lib/dpkg/status /var/lib/dpkg/status.d/*; do
    case $_t_file in
      *.md5sums) ;;
      *) [ -f "$_t_file" ] && set -- "$@" "$_t_file" ;;
    esac
  done
  "$_t_bin" awk -v format="$_t_format" -v wanted="$_t_wanted" '
    function show(  text, key, count, names, i, hit) {
      if (!("Package" in field)) return
      count = split(wanted, names, " "); hit = count == 0
      for (i = 1; i <= count; i++)
        if (names[i] == field["Package"] || names[i] == field["Package"] ":" field["Architecture"]) {
          hit = 1; seen[names[i]] = 1
        }
      if (hit) {
        if (!("Status" in field)) field["Status"] = "install ok installed"
        text = ""; rest = format
        while (match(rest, /\$\{[A-Za-z:-]+\}/)) {
          key = substr(rest, RSTART + 2, RLENGTH - 3)
          text = text substr(rest, 1, RSTART - 1) (key in field ? field[key] : "")
          rest = substr(rest, RSTART + RLENGTH)
        }
        text = text rest; gsub(/\\n/, "\n", text); gsub(/\\t/, "\t", text); printf "%s", text
      }
    }
    FNR == 1 || /^$/ { show(); delete field; }
    /^[ \t]/ || /^$/ { next }
    { cut = index($0, ":"); if (cut) { value = substr($0, cut + 1); sub(/^[ \t]+/, "", value)
        field[substr($0, 1, cut - 1)] = value } }
    END {
      show(); count = split(wanted, names, " ")
      for (i = 1; i <= count; i++) if (!(names[i] in seen)) {
        print "dpkg-query: no packages found matching " names[i] > "/dev/stderr"; missing = 1
      }
      exit missing
    }' "$@" </dev/null
}
alias dpkg-query=_t_dpkg_query

# One command: its output stands between two tokens on both streams, its exit code behind the last on stdout.
_t_run() {
  printf '%s' "$1"
  printf '%s' "$1" >&2
  ( _t_command=$2; set --; eval "$_t_command" ) </dev/null
  _t_code=$?
  printf '%s %s\n' "$1" "$_t_code"
  printf '%s' "$1" >&2
}
