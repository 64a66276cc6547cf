#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing needs on Debian 12 or 13. Does nothing, and asks for no rights,
# when all of it is there already.
set -euo pipefail

packages=(
  build-essential cmake ninja-build ccache pkg-config
  libhwy-dev nlohmann-json3-dev libcli11-dev libboost-dev libssl-dev libqrencode-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  zlib1g-dev libpng-dev libjpeg62-turbo-dev libwebp-dev libgif-dev libsndfile1-dev libsoxr-dev libkissfft-dev
  libavformat-dev libavcodec-dev libavutil-dev libavdevice-dev libswscale-dev libswresample-dev
  libseccomp-dev
  libedit-dev
  python3 python3-numpy python3-jinja2 python3-jsonschema
)
# The web page is bundled by Node.js. Where it came from elsewhere, Debian's npm would not go beside it.
if ! command -v npm > /dev/null; then packages+=(npm); fi
if ! command -v curl > /dev/null; then packages+=(curl); fi  # tests run the examples of the documents
while [ $# -gt 0 ]; do
  case "$1" in
    --lint) packages+=(clang-format clang-tidy) ;;
    --fuzz) packages+=(clang libclang-rt-dev) ;;
    --venv) packages+=(python3-venv) ;;
    --page-tests) if [ ! -x /usr/bin/chromium ]; then packages+=(chromium); fi ;;
    --peers) packages+=(iso-codes) ;;  # its translations are the strings of the tokenizer's comparison
    --arm64) arm64=yes ;;
    *) echo "install_debian.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done

# The cross build links the libraries of the other architecture, which Debian installs beside ours.
if [ "${arm64:-}" = yes ]; then
  packages+=(crossbuild-essential-arm64 qemu-user)
  for package in libhwy libgtest libgmock zlib1g libpng libjpeg62-turbo libwebp libgif libsndfile1 \
    libsoxr libkissfft libedit libssl libqrencode; do
    packages+=("$package-dev:arm64")
  done
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
    missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing: ${missing[*]}"
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"
export DEBIAN_FRONTEND=noninteractive
[ "${arm64:-}" != yes ] || $sudo dpkg --add-architecture arm64
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"
