#!/bin/sh
# One life of a board whose power is cut: what the last life left is looked at, then people are enrolled until the
# power goes. Begun by the kernel itself, without systemd, so that a life takes seconds.
#
# Lines for drive.py: PASS and FAIL as in exam.sh; PEOPLE and HEAD say what is there; ENROLLED, DELETED and SEEN are
# acknowledgements, after which nothing of it may be missing in a later life.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin TZ=UTC OSTIARY_DATA=/var/lib/ostiary
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
exec >/dev/console 2>&1 </dev/null
modprobe configfs
/exam/hardware.sh
board=/run/board.toml
sed "s./dev/gpiochip0./dev/$(basename "$(cat /run/gpio)")." /exam/cuts.toml >$board
relay=$(cat /run/gpio)/sim_gpio0/value
say() { echo "@@ $*"; }
check() {
    name=$1 seen=$2
    shift 2
    if "$@" >/tmp/said 2>&1; then say "PASS $name: $seen"; else say "FAIL $name: $seen: $(tail -c 300 /tmp/said | tr '\n' ' ')"; fi
}
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }
life=$(sed -n 's/.*life=\([0-9]*\).*/\1/p' /proc/cmdline)
known=$(sed -n 's/.*seen=\([0-9a-f:]*\).*/\1/p' /proc/cmdline)

if [ -e $OSTIARY_DATA/gallery.redb ]; then
    check opens "the gallery opens, every record is whole" ostiary status
    check chain "the journal is whole" ostiary events verify
    say "PEOPLE $(ostiary persons list --json | grep -o '"id":"[^"]*' | cut -d'"' -f4 | tr '\n' ' ')"
    if [ -n "$known" ]; then
        ostiary events list --json >/tmp/events
        check kept "the last event that anybody saw is there, unchanged" grep -q "$(echo "$known" | cut -d: -f2)" /tmp/events
    fi
fi
case $(cat /proc/cmdline) in *last=yes*) say DONE && sync && echo o >/proc/sysrq-trigger ;; esac
probe feed /dev/video10 3 /exam/hall/*.jpg &
sleep 0.5
# Whoever asks before the program listens would open the gallery in its stead.
rm -f $OSTIARY_DATA/control.sock
ostiary run --board $board >/tmp/run 2>&1 &
for fifth in $(seq 150); do
    [ -S $OSTIARY_DATA/control.sock ] && ostiary door state >/tmp/door 2>/dev/null && grep -q locked /tmp/door && break
    sleep 0.2
done
check locked "the door is locked: $(head -n 1 /tmp/door)" grep -q locked /tmp/door
grep -q locked /tmp/door || cat /tmp/run
check locked "the relay is released" grep -q 0 $relay
say READY
number=0
set -- /exam/enrol/*.jpg
while :; do
    number=$((number + 1))
    id=p$life-$number
    picture=$(eval "echo \${$((number % $# + 1))}")
    ostiary enroll --allow-duplicate --person $id --name "$id" "$picture" >/tmp/said 2>&1 && say "ENROLLED $id" || tail -n 3 /tmp/said
    if [ $((number % 3)) = 0 ]; then
        say "DELETING $id"
        ostiary persons delete $id >/tmp/said 2>&1 && say "DELETED $id" || tail -n 3 /tmp/said
    fi
    ostiary events list --json 2>/dev/null | tail -n 1 >/tmp/event
    say "SEEN $(field seq </tmp/event):$(field hash </tmp/event | cut -c1-32)"
done
