#!/bin/sh
# Rebuilds src/device/display/fonts from Debian's fonts-noto-core and fonts-droid-fallback: the characters that
# names are written in, without hinting and layout tables, which our rasteriser does not read.
# Needs: apt-get, dpkg, python3 with venv. The result is committed; nobody needs this to build.
set -eu
out="$(cd "$(dirname "$0")/.." && pwd)/src/device/display/fonts"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q fonts-noto-core fonts-droid-fallback
for package in *.deb; do dpkg -x "$package" x; done
python3 -m venv venv
venv/bin/pip -q install fonttools==4.60.1
noto=x/usr/share/fonts/truetype/noto
droid=x/usr/share/fonts-droid-fallback/truetype/DroidSansFallback.ttf

cut() { # FILE OUT UNICODES
    venv/bin/pyftsubset "$1" --output-file="$out/$2" --unicodes="$3" --layout-features='' --no-hinting \
        --desubroutinize --drop-tables+=GSUB,GPOS,GDEF,DSIG,kern,prep,fpgm,cvt,gasp,meta --name-IDs='0,1,2,5,13' \
        --no-glyph-names --notdef-outline
}

latin='20-7E,A0-24F,259,2BB-2BC,2C6-2DD,1E00-1EFF,2010-2027,2030-203A,20AC,2116,2122'
greek='370-3FF,1F00-1FFF'
cyrillic='400-52F'
cut "$noto/NotoSans-Regular.ttf" text-regular.ttf "$latin"
cut "$noto/NotoSans-Bold.ttf" text-bold.ttf "$latin,$greek,$cyrillic,300-304,306-30C,31B,323,327-328"
cut "$noto/NotoSansHebrew-Bold.ttf" hebrew-bold.ttf '5B0-5F4,FB1D-FB4F'
cut "$noto/NotoSansArabic-Bold.ttf" arabic-bold.ttf '600-6FF,750-77F,FB50-FDFF,FE70-FEFC'
cut "$noto/NotoSansThai-Bold.ttf" thai-bold.ttf 'E00-E7F'
cut "$noto/NotoSansArmenian-Bold.ttf" armenian-bold.ttf '530-58F'
cut "$noto/NotoSansGeorgian-Bold.ttf" georgian-bold.ttf '10A0-10FF,1C90-1CBF'
cut "$droid" cjk.ttf '3001-3011,3040-30FF,3131-318E,4E00-9FFF,AC00-D7A3,F900-FAFF,FF01-FF5E'
ls -l "$out"
