#!/usr/bin/env bash
# Makes the pictures that the simulator serves: for each size one second of H.264 that loops without a seam, a
# WebP thumbnail and a JPEG sprite sheet. Needs ffmpeg with libx264 and libwebp; its output is committed, so
# only someone who changes the pictures runs it.
set -euo pipefail

sizes=(64x64 480x854 854x480 720x1280 1280x720 1024x1792 1792x1024 1080x1920 1920x1080)
out="$(dirname "$0")/../apps/simulator/clips"
mkdir -p "$out"

# The colours sway once a second, so the last frame runs into the first, and they sway a little only, which keeps
# the files small. Drawn small and scaled up: full-size expressions would take minutes.
sway="0.05*sin(2*PI*T)"
wave() { echo "128+$1*sin(2*PI*($sway+X/W*$2+Y/H*$3))+$4*sin(2*PI*(Y/H*1.3-$sway+$5*sin(2*PI*X/W)))"; }
picture="geq=r='$(wave 70 0.5 0.3 45 0.10)':g='$(wave 55 -0.4 0.6 40 0.15)':b='$(wave 60 0.3 -0.7 55 0.20)'"

for size in "${sizes[@]}"; do
  width=${size%x*} height=${size#*x}
  source="color=s=$((width / 8))x$((height / 8)):r=24:d=1,format=gbrp,$picture,scale=${width}:${height}:flags=bicubic,setsar=1"
  ffmpeg -v error -y -f lavfi -i "$source" -frames:v 24 \
    -c:v libx264 -preset veryslow -crf 36 -g 24 -keyint_min 24 -sc_threshold 0 -bf 0 -profile:v main -pix_fmt yuv420p \
    -x264-params "colorprim=bt709:transfer=bt709:colormatrix=bt709" \
    -fflags +bitexact -flags:v +bitexact -map_metadata -1 -movflags +faststart "$out/$size.mp4"
  ffmpeg -v error -y -i "$out/$size.mp4" -frames:v 1 -vf "scale='min(iw,320)':-2" -c:v libwebp -quality 60 \
    -fflags +bitexact -flags:v +bitexact "$out/$size.webp"
  ffmpeg -v error -y -i "$out/$size.mp4" -frames:v 1 -vf "fps=6,scale=-2:'min(ih,160)',tile=6x1" -q:v 6 \
    -fflags +bitexact -flags:v +bitexact "$out/$size.jpg"
done
