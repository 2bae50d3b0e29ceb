# Shell functions that the scripts share: build, a private Postgres tree, throw-away servers, the
# simulator. Sourced by bash with `root` set to the checkout. Touches no Postgres of the system.
# shellcheck shell=bash

set -euo pipefail
umask 022

pg_major=${PG_MAJOR:-15}
system_pg=/usr/lib/postgresql/$pg_major
simulator_program=$root/build/simulator/simulator

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# --- Who runs servers -----------------------------------------------------------------------------
# Postgres refuses root, so root hands over to the user postgres; anybody else stays who they are.
# The working directory is one that every user may enter.
as_server() {
  if [ "$(id -u)" = 0 ]; then
    (cd / && exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$@")
  else
    (cd / && exec "$@")
  fi
}
give_to_server() { [ "$(id -u)" != 0 ] || chown -R postgres:postgres "$@"; }
server_can_read() { as_server test -r "$1" -a -x "$1"; }

# A directory that the server's user can enter, wherever the checkout lies.
make_scratch() {
  local directory
  directory=$(mktemp -d "${TMPDIR:-/tmp}/supaglue-$1.XXXXXX")
  chmod 755 "$directory"
  server_can_read "$directory" || {
    rmdir "$directory"
    directory=$(mktemp -d "/tmp/supaglue-$1.XXXXXX")
    chmod 755 "$directory"
  }
  echo "$directory"
}

# --- Building ---------------------------------------------------------------------------------
# Runs of several scripts in one checkout take turns at the compiler.
locked_make() {
  mkdir -p "$root/build"
  flock "$root/build/lock" nice make -s -j2 -C "$root" PG_CONFIG="$system_pg/bin/pg_config" "$@"
}
build_all() { locked_make WERROR=1 all simulator; }

# A copy of the system's Postgres with our build installed: Postgres finds its directories relative
# to its program, so the copy is whole and the system's stays as it was.
make_tree() {
  local tree=$1
  rm -rf "$tree"
  mkdir -p "$tree/usr/lib/postgresql" "$tree/usr/share/postgresql" "$tree/usr/include"
  cp -a "$system_pg" "$tree/usr/lib/postgresql/"
  cp -a "/usr/share/postgresql/$pg_major" "$tree/usr/share/postgresql/"
  ln -s /usr/include/postgresql "$tree/usr/include/"
  install_into_tree "$tree"
}
install_into_tree() {
  flock "$root/build/lock" make -s -C "$root" WERROR=1 PG_CONFIG="$(tree_bin "$1")/pg_config" install
}
tree_bin() { echo "$1/usr/lib/postgresql/$pg_major/bin"; }

free_port() {
  perl -MIO::Socket::INET -e \
    'print IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1)->sockport'
}

# --- A throw-away Postgres -----------------------------------------------------------------------
# new_postgres TREE DIR: initdb in DIR/data, sockets in DIR/socket; settings come from stdin.
new_postgres() {
  local tree=$1 directory=$2
  mkdir -p "$directory/socket" "$directory/data"
  give_to_server "$directory/socket" "$directory/data"
  as_server "$(tree_bin "$tree")/initdb" -D "$directory/data" -U postgres -A trust -E UTF8 \
    --locale=C.UTF-8 >"$directory/initdb.log" 2>&1 || {
    cat "$directory/initdb.log" >&2
    return 1
  }
  {
    echo "listen_addresses = '127.0.0.1'"
    echo "unix_socket_directories = '$directory/socket'"
    echo "max_worker_processes = 32"
    echo "jit = off"
    cat
  } | as_server tee -a "$directory/data/postgresql.conf" >/dev/null
}

# For Postgres beside a simulator, whose workers serve one database.
playground_settings() {
  cat <<'CONF'
shared_preload_libraries = 'supaglue'
supaglue.database = 'postgres'
supaglue.min_period_ms = 1000
supaglue.allow_private_networks = on
supaglue.allow_insecure_http = on
CONF
}

postgres_pid() { head -n 1 "$1/data/postmaster.pid" 2>/dev/null; }

# A killed server that nobody has reaped yet has a process id, but no program.
postgres_runs() {
  local pid
  pid=$(postgres_pid "$1") || return 1
  [ "$(basename "$(readlink "/proc/$pid/exe" 2>/dev/null)")" = postgres ]
}

# start_postgres TREE DIR: on the port it had, or on a free one; leaves the port in DIR/port.
start_postgres() {
  local tree=$1 directory=$2 port attempt
  if postgres_pid "$directory" >/dev/null; then
    while [ -d "/proc/$(postgres_pid "$directory")" ] && ! postgres_runs "$directory"; do
      sleep 0.1
    done
  fi
  touch "$directory/postgres.log"
  give_to_server "$directory/postgres.log"
  for attempt in 1 2 3 4 5; do
    port=$(cat "$directory/port" 2>/dev/null || free_port)
    if as_server "$(tree_bin "$tree")/pg_ctl" -D "$directory/data" -l "$directory/postgres.log" \
      -o "-p $port" -s -w -t 120 start >"$directory/pg_ctl.log" 2>&1; then
      echo "$port" >"$directory/port"
      return
    fi
    # Somebody else may have taken the port between our look and the server's start.
    rm -f "$directory/port"
    grep -q 'could not create any TCP/IP sockets' "$directory/postgres.log" || break
  done
  tail -n 30 "$directory/pg_ctl.log" "$directory/postgres.log" >&2
  return 1
}

# stop_postgres TREE DIR [fast|immediate]
stop_postgres() {
  ! postgres_runs "$2" ||
    as_server "$(tree_bin "$1")/pg_ctl" -D "$2/data" -s -w -t 60 -m "${3:-fast}" stop ||
    as_server "$(tree_bin "$1")/pg_ctl" -D "$2/data" -s -w -m immediate stop
}

# --- The simulator -------------------------------------------------------------------------------
# start_simulator PROGRAM DIR [arguments]: in the background, on the port it had or on a free one;
# leaves DIR/simulator.pid, .port, .log.
start_simulator() {
  local program=$1 directory=$2 pid port tries
  shift 2
  port=$(cat "$directory/simulator.port" 2>/dev/null || echo 0)
  rm -f "$directory/simulator.port"
  setsid nohup "$program" --port "$port" --port-file "$directory/simulator.port" "$@" \
    </dev/null >>"$directory/simulator.log" 2>&1 &
  pid=$!
  disown "$pid"
  echo "$pid" >"$directory/simulator.pid"
  for ((tries = 0; tries < 600; tries++)); do
    [ ! -s "$directory/simulator.port" ] || return 0
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  tail -n 30 "$directory/simulator.log" >&2
  return 1
}
simulator_url() { echo "http://127.0.0.1:$(cat "$1/simulator.port")"; }

simulator_runs() {
  local pid
  pid=$(cat "$1/simulator.pid" 2>/dev/null) || return 1
  [ "$(basename "$(readlink "/proc/$pid/exe" 2>/dev/null)" ' (deleted)')" = simulator ]
}

stop_simulator() {
  local pid
  ! simulator_runs "$1" || {
    pid=$(cat "$1/simulator.pid")
    kill "$pid" 2>/dev/null || :
    while simulator_runs "$1"; do sleep 0.05; done
  }
  rm -f "$1/simulator.pid"
}

# --- Leaving nothing behind -------------------------------------------------------------------------
# stop_all TREE DIR: whatever was left running with its files under DIR.
stop_all() {
  local file
  find "$2" -name simulator.pid -printf '%h\n' 2>/dev/null |
    while read -r file; do stop_simulator "$file"; done
  find "$2" -name postmaster.pid -printf '%h\n' 2>/dev/null | while read -r file; do
    as_server "$(tree_bin "$1")/pg_ctl" -D "$file" -s -w -m immediate stop 2>/dev/null || :
  done
}
