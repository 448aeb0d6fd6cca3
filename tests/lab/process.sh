# Sourced by cassandra.sh and kafka.sh: a process is known by the pid file in its folder, and nothing else is ever signalled.

# launch DIR LOG COMMAND...   starts COMMAND in its own session, so that the signals of a terminal or a test runner miss it.
launch() {
  local dir=$1 log=$2; shift 2
  setsid "$@" >> "$log" 2>&1 < /dev/null &
  echo $! > "$dir/pid"
}

# ours PID DIR   whether PID still is the process that was started for DIR, and not another that was given the same number.
ours() {
  kill -0 "$1" 2> /dev/null && tr '\0' ' ' < "/proc/$1/cmdline" 2> /dev/null | grep -qF -- "$2"
}

# await_port DIR LOG PORT SECONDS   returns when 127.0.0.1:PORT accepts a connection; fails when the process ends first.
await_port() {
  local dir=$1 log=$2 port=$3 seconds=$4 pid
  pid=$(cat "$dir/pid")
  for ((i = 0; i < seconds * 5; i++)); do
    kill -0 "$pid" 2> /dev/null || { echo "process $pid ended during its start; $log ends with:" >&2; tail -15 "$log" >&2; return 1; }
    (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null && return 0
    sleep 0.2
  done
  echo "nothing answers on 127.0.0.1:$port after $seconds s; $log ends with:" >&2; tail -15 "$log" >&2
  return 1
}

# end SIGNAL DIR   signals the process of DIR and waits until it is gone. It is no error if it was gone before.
end() {
  local signal=$1 dir pid
  dir=$(cd "$2" && pwd)
  [ -s "$dir/pid" ] || return 0
  pid=$(cat "$dir/pid")
  if ours "$pid" "$dir"; then
    kill "-$signal" "$pid"
    for _ in $(seq 300); do
      kill -0 "$pid" 2> /dev/null || break
      sleep 0.2
    done
    kill -0 "$pid" 2> /dev/null && { echo "process $pid of $dir did not end within 60 s" >&2; return 1; }
  fi
  rm -f "$dir/pid"
}
