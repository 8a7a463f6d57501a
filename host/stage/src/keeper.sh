# Keeps one server alive exactly as long as its holder, at the other end of standard input, lives.
# usage: sh -c "$script" keeper SIGNAL FOLDER COMMAND...
#
# The holder writes a word and closes the pipe to stop the server. A pipe that closes without a word
# means the holder died, even by kill -9: then the server is stopped all the same and its folder removed.
signal=$1 folder=$2
shift 2

# A Ctrl-C at the terminal reaches this whole process group; the holder decides what follows.
trap '' INT TERM HUP QUIT
exec 3<&0

"$@" </dev/null 3<&- &
child=$!
echo "$child" >"$folder/child.pid"

(
  read -r word <&3 || : >"$folder/orphaned"
  kill -s "$signal" "$child" 2>/dev/null
  n=0
  while kill -0 "$child" 2>/dev/null && [ "$n" -lt 100 ]; do
    sleep 0.1
    n=$((n + 1))
  done
  kill -s KILL "$child" 2>/dev/null
) &
watcher=$!

wait "$child"
status=$?
[ -e "$folder/orphaned" ] && rm -rf "$folder"
kill -s KILL "$watcher" 2>/dev/null
exit "$status"
