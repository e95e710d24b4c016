#!/bin/sh
# The virtual board's hardware: eight GPIO lines, a camera that is fed pictures, one that is vivid's. Run once, early.
set -e
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
modprobe gpio-sim
modprobe v4l2loopback devices=1 video_nr=10 exclusive_caps=1 card_label=lobby
modprobe vivid n_devs=1 node_types=0x1 vid_cap_nr=20
chip=/sys/kernel/config/gpio-sim/board
mkdir -p $chip/bank0
echo 8 >$chip/bank0/num_lines
line=0
for name in relay contact rex tamper fire granted refused buzzer; do
    mkdir -p $chip/bank0/line$line
    echo $name >$chip/bank0/line$line/name
    line=$((line + 1))
done
echo 1 >$chip/live
echo "/sys/devices/platform/$(cat $chip/dev_name)/$(cat $chip/bank0/chip_name)" >/run/gpio
